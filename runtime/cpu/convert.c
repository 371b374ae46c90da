/*
 * Conversion between all storage dtypes: see opsmith/convert.h for the rules.
 *
 * The dtypes that C computes with convert to each other directly, one vectorised loop a pair. The
 * packed floats go through f32 in blocks that stay in L1: one loop each way instead of a row of
 * pairs. Strided arrays are gathered into (or scattered from) such a block by element size.
 */
#include "opsmith/convert.h"

#include <string.h>

enum { BLOCK = 512 }; /* elements: 4 KiB of f64, so that two blocks fit in any L1 */

/* ---- single elements ------------------------------------------------------------------------- */

static inline uint32_t bits_of_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline int64_t i64_of_f64(double x)
{
    return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

static inline int64_t i64_of_f32(float x)
{
    return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN;
}

static inline int32_t i32_of_f64(double x)
{
    return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)x : INT32_MIN;
}

static inline int32_t i32_of_f32(float x)
{
    return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
}

/* From 2^63 on as unsigned; below that as i64, so that a negative one gives its low bits. */
static inline uint64_t u64_of_f64(double x)
{
    return x >= 0x1p63 && x < 0x1p64 ? (uint64_t)x : (uint64_t)i64_of_f64(x);
}

static inline uint64_t u64_of_f32(float x)
{
    return u64_of_f64(x);
}

static inline int64_t low_64(int64_t x)
{
    return x;
}

static inline int32_t low_32(int64_t x)
{
    return (int32_t)x;
}

static inline int32_t same_32(int32_t x)
{
    return x;
}

/*
 * f32 rounded to odd: towards zero, with the last bit set if anything was lost. Rounding that once
 * more to 16 bits gives what rounding x itself would; rounding twice to nearest would not.
 */
static inline float odd_f32_of_f64(double x)
{
    float nearest = (float)x;
    double back = nearest;
    uint32_t bits = bits_of_f32(nearest);
    bits -= (back > 0 ? back : -back) > (x > 0 ? x : -x);
    return f32_of_bits(bits | (back != x));
}

/* An integer of 2^38 or more loses its low 16 bits to one sticky bit, and is then exact in double. */
static inline float odd_f32_of_i64(int64_t x)
{
    int64_t sticky = (x & ~INT64_C(0xffff)) | ((x & 0xffff) != 0 ? 0x8000 : 0);
    int small = x < (INT64_C(1) << 38) && x > -(INT64_C(1) << 38);
    return odd_f32_of_f64((double)(small ? x : sticky));
}

static inline float odd_f32_of_u64(uint64_t x)
{
    uint64_t sticky = (x & ~UINT64_C(0xffff)) | ((x & 0xffff) != 0 ? 0x8000 : 0);
    return odd_f32_of_f64((double)(x < (UINT64_C(1) << 38) ? x : sticky));
}

static inline float same_f32(float x)
{
    return x;
}

/*
 * Packed floats: a sign, `e` bits of exponent, `m` of significand; `finite` ones have no infinities
 * and one NaN, all ones. The numbers are constants wherever these are called, so that the compiler
 * folds all that depends on them.
 */
typedef struct format {
    int e, m, finite;
} format;

static inline uint32_t packed_infinity(format f) /* of a finite format: NaN */
{
    return f.finite ? (1u << (f.e + f.m)) - 1 : ((1u << f.e) - 1) << f.m;
}

/* Exact: a normal one gets its exponent by a multiplication, which also normalises denormals. */
static inline float f32_of_packed(uint32_t x, format f)
{
    uint32_t sign = x >> (f.e + f.m) << 31;
    uint32_t magnitude = x & ((1u << (f.e + f.m)) - 1);
    uint32_t shifted = magnitude << (23 - f.m);
    uint32_t special = shifted | 0x7f800000; /* infinity; of NaN the payload stays */
    if (f.e == 8) /* f32's own exponents */
        return f32_of_bits(sign | shifted);
    special |= f.finite || magnitude > packed_infinity(f) ? 0x00400000 : 0;
    uint32_t up = (uint32_t)(127 + 127 - ((1 << (f.e - 1)) - 1)) << 23; /* the biases differ */
    uint32_t finite = bits_of_f32(f32_of_bits(shifted) * f32_of_bits(up));
    return f32_of_bits(sign | (magnitude >= packed_infinity(f) ? special : finite));
}

static inline uint32_t packed_of_f32(float x, format f)
{
    int bias = (1 << (f.e - 1)) - 1, drop = 23 - f.m;
    uint32_t bits = bits_of_f32(x);
    uint32_t sign = bits >> 31 << (f.e + f.m);
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t half = (1u << (drop - 1)) - 1 + (magnitude >> drop & 1); /* ties to even */
    uint32_t lowered = magnitude - ((uint32_t)(127 - bias) << 23);
    uint32_t result = (lowered + half) >> drop;
    if (f.e < 8) { /* below its least normal number: shifted to where a denormal's last bit is f32's */
        uint32_t shift = (uint32_t)(127 + 24 - bias - f.m) << 23;
        uint32_t denormal = bits_of_f32(f32_of_bits(magnitude) + f32_of_bits(shift)) - shift;
        result = magnitude < (uint32_t)(128 - bias) << 23 ? denormal : result;
    }
    uint32_t infinity = packed_infinity(f); /* what is too large, and of f32 the infinity */
    result = result > infinity ? infinity : result;
    uint32_t quiet = infinity | 1u << (f.m - 1) | (magnitude >> drop & ((1u << f.m) - 1));
    result = magnitude > 0x7f800000 ? quiet : result;
    return sign | result;
}

/* ---- contiguous loops ------------------------------------------------------------------------ */

#define LOOP(name, to_type, from_type, expression)                                                 \
    static void name(int64_t n, const void *src, void *dst)                                        \
    {                                                                                              \
        const from_type *restrict x = src;                                                         \
        to_type *restrict out = dst;                                                               \
        for (int64_t i = 0; i < n; ++i)                                                            \
            out[i] = expression;                                                                   \
    }

/* The integer of an element of any type, by the rules of convert.h. */
#define WHOLE64(v) _Generic((v), double: i64_of_f64, float: i64_of_f32, default: low_64)(v)
#define WHOLE32(v)                                                                                 \
    _Generic((v), double: i32_of_f64, float: i32_of_f32, int64_t: low_32, uint64_t: low_32,        \
             default: same_32)(v)
#define UNSIGNED64(v) _Generic((v), double: u64_of_f64, float: u64_of_f32, default: low_64)(v)
#define IS_DOUBLE(v) _Generic((v), double: 1, default: 0)

#define TO_FLOAT(type, v) (type)(v)
#define TO_INT(type, v) (sizeof(type) == 8 ? (type)WHOLE64(v) : (type)WHOLE32(v))
/* A float32 beyond an i32 is a multiple of 2^8: to one byte the narrower conversion will do. */
#define TO_UINT(type, v)                                                                           \
    (sizeof(type) == 8                     ? (type)UNSIGNED64(v)                                   \
     : sizeof(type) == 1 && !IS_DOUBLE(v) ? (type)WHOLE32(v)                                      \
                                           : (type)WHOLE64(v))
#define TO_BOOL(type, v) ((v) != 0)

/* On the way to a packed float: rounded to odd where f32 cannot hold the element exactly. */
#define STAGED(v)                                                                                  \
    _Generic((v), double: odd_f32_of_f64, int64_t: odd_f32_of_i64, uint64_t: odd_f32_of_u64,       \
             int32_t: odd_f32_of_f64, uint32_t: odd_f32_of_f64, default: same_f32)(v)

#define ELEMENT(_, NAME, code, type, category) typedef type element_##code;
OPS_FOR_EACH_NATIVE(ELEMENT, )

#define PAIR(to, from, type, convert)                                                              \
    LOOP(to##_of_##from##s, element_##to, type, convert(element_##to, x[i]))
#define PAIR_FLOAT(to, NAME, code, type, category) PAIR(to, code, type, TO_FLOAT)
#define PAIR_INT(to, NAME, code, type, category) PAIR(to, code, type, TO_INT)
#define PAIR_UINT(to, NAME, code, type, category) PAIR(to, code, type, TO_UINT)
#define PAIR_BOOL(to, NAME, code, type, category) PAIR(to, code, type, TO_BOOL)
#define PAIRS(_, NAME, code, type, category) OPS_FOR_EACH_NATIVE_INNER(PAIR_##category, code)
OPS_FOR_EACH_NATIVE(PAIRS, )

#define STAGE(_, NAME, code, type, category) LOOP(stage_of_##code##s, float, type, STAGED(x[i]))
OPS_FOR_EACH_NATIVE(STAGE, )

#define PACKED(NAME, code, type, e, m, finite)                                                     \
    static void f32_of_##code##s(int64_t n, const void *src, void *dst)                            \
    {                                                                                              \
        const format f = {e, m, finite};                                                           \
        const type *restrict x = src;                                                              \
        float *restrict out = dst;                                                                 \
        for (int64_t i = 0; i < n; ++i)                                                            \
            out[i] = f32_of_packed(x[i], f);                                                       \
    }                                                                                              \
    static void code##_of_f32s(int64_t n, const void *src, void *dst)                              \
    {                                                                                              \
        const format f = {e, m, finite};                                                           \
        const float *restrict x = src;                                                             \
        type *restrict out = dst;                                                                  \
        for (int64_t i = 0; i < n; ++i)                                                            \
            out[i] = (type)packed_of_f32(x[i], f);                                                 \
    }
OPS_FOR_EACH_PACKED(PACKED)

#define CELL(to, NAME, code, type, category) [OPS_##NAME] = to##_of_##code##s,
#define ROW(_, NAME, code, type, category)                                                         \
    [OPS_##NAME] = {OPS_FOR_EACH_NATIVE_INNER(CELL, code)},
static ops_convert_loop *const direct[OPS_DTYPE_COUNT][OPS_DTYPE_COUNT] = {
    OPS_FOR_EACH_NATIVE(ROW, )
};

#define TO_STAGE(_, NAME, code, type, category) [OPS_##NAME] = stage_of_##code##s,
static ops_convert_loop *const stages[OPS_DTYPE_COUNT] = {OPS_FOR_EACH_NATIVE(TO_STAGE, )};

#define SLOTS(NAME, code, ...) [OPS_##NAME] = {f32_of_##code##s, code##_of_f32s},
ops_packed_loops ops_packed_slots[OPS_DTYPE_COUNT] = {OPS_FOR_EACH_PACKED(SLOTS)};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One side or both is packed: through a block of f32, unless f32 is the other side. */
static void convert_packed(int to, int from, int64_t n, const char *src, char *dst)
{
    ops_convert_loop *const to_stage = ops_is_packed(from) ? ops_packed_slots[from].to_f32 : stages[from];
    if (from == OPS_F32) {
        ops_packed_slots[to].of_f32(n, src, dst);
        return;
    }
    if (to == OPS_F32) {
        to_stage(n, src, dst);
        return;
    }
    float stage[BLOCK];
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t count = smaller(BLOCK, n - begin);
        char *out = dst + begin * ops_dtype_size[to];
        to_stage(count, src + begin * ops_dtype_size[from], stage);
        if (ops_is_packed(to))
            ops_packed_slots[to].of_f32(count, stage, out);
        else
            direct[to][OPS_F32](count, stage, out);
    }
}

static void convert_contiguous(int to, int from, int64_t n, const void *src, void *dst)
{
    if (to == from)
        memcpy(dst, src, (size_t)(n * ops_dtype_size[to]));
    else if (ops_is_packed(to) || ops_is_packed(from))
        convert_packed(to, from, n, src, dst);
    else
        direct[to][from](n, src, dst);
}

/* ---- strides --------------------------------------------------------------------------------- */

/* n elements of `size` bytes between places `src_stride` and `dst_stride` bytes apart. */
static void copy_strided(int64_t size, int64_t n, const char *src, int64_t src_stride, char *dst,
                         int64_t dst_stride)
{
#define COPY(bytes)                                                                                \
    case bytes:                                                                                    \
        for (int64_t i = 0; i < n; ++i)                                                            \
            memcpy(dst + i * dst_stride, src + i * src_stride, bytes);                             \
        break;

#define COPY_REVERSED(bytes)                                                                       \
    case bytes:                                                                                    \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i)                                       \
            memcpy(dst + i * bytes, src - i * bytes, bytes);                                       \
        break;

    if (dst_stride == size && src_stride == -size) { /* a mirrored line: whole vectors, turned */
        switch (size) {
            COPY_REVERSED(1)
            COPY_REVERSED(2)
            COPY_REVERSED(4)
            COPY_REVERSED(8)
        }
        return;
    }
    switch (size) {
        COPY(1)
        COPY(2)
        COPY(4)
        COPY(8)
    }
#undef COPY_REVERSED
#undef COPY
}

/* n times the same element, contiguous. */
static void fill(int64_t size, int64_t n, const char *value, char *dst)
{
#define FILL(bytes, type)                                                                          \
    case bytes: {                                                                                  \
        type v;                                                                                    \
        memcpy(&v, value, bytes);                                                                  \
        for (int64_t i = 0; i < n; ++i)                                                            \
            memcpy(dst + i * bytes, &v, bytes);                                                    \
        break;                                                                                     \
    }

    switch (size) {
        FILL(1, uint8_t)
        FILL(2, uint16_t)
        FILL(4, uint32_t)
        FILL(8, uint64_t)
    }
#undef FILL
}

void ops_convert(int to, int from, int64_t n, const void *src, int64_t src_stride, void *dst)
{
    const char *in = src;
    char *out = dst;
    int64_t from_size = ops_dtype_size[from], to_size = ops_dtype_size[to];
    if (src_stride == from_size) {
        convert_contiguous(to, from, n, src, dst);
        return;
    }
    uint64_t stage[BLOCK];
    if (src_stride == 0 && n > 0) {
        convert_contiguous(to, from, 1, src, stage);
        fill(to_size, n, (const char *)stage, out);
        return;
    }
    if (to == from) {
        copy_strided(to_size, n, in, src_stride, out, to_size);
        return;
    }
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t count = smaller(BLOCK, n - begin);
        const char *from_begin = in + begin * src_stride;
        copy_strided(from_size, count, from_begin, src_stride, (char *)stage, from_size);
        convert_contiguous(to, from, count, stage, out + begin * to_size);
    }
}

/* Lines of n elements, `line_stride` bytes apart, one after the other. */
static void join_lines(int64_t size, int64_t lines, int64_t n, const char *src, int64_t line_stride,
                       int64_t src_stride, char *dst)
{
    if (src_stride == size && n * size >= 32) {
        for (int64_t l = 0; l < lines; ++l) {
            ops_copy_run(dst + l * n * size, src + l * line_stride, n * size);
        }
        return;
    }
#define JOIN(bytes, type)                                                                          \
    case bytes:                                                                                    \
        for (int64_t l = 0; l < lines; ++l) {                                                      \
            const char *from = src + l * line_stride;                                              \
            char *out = dst + l * n * bytes;                                                       \
            if (src_stride == 0) {                                                                 \
                type v;                                                                            \
                memcpy(&v, from, bytes);                                                           \
                for (int64_t i = 0; i < n; ++i)                                                    \
                    memcpy(out + i * bytes, &v, bytes);                                            \
            } else {                                                                               \
                for (int64_t i = 0; i < n; ++i)                                                    \
                    memcpy(out + i * bytes, from + i * src_stride, bytes);                         \
            }                                                                                      \
        }                                                                                          \
        break;

    switch (size) {
        JOIN(1, uint8_t)
        JOIN(2, uint16_t)
        JOIN(4, uint32_t)
        JOIN(8, uint64_t)
    default:
        for (int64_t l = 0; l < lines; ++l) {
            for (int64_t i = 0; i < n; ++i) {
                memcpy(dst + (l * n + i) * size, src + l * line_stride + i * src_stride, (size_t)size);
            }
        }
    }
#undef JOIN
}

void ops_convert_lines(int to, int from, int64_t lines, int64_t n, const void *src,
                       int64_t line_stride, int64_t src_stride, void *dst)
{
    const char *in = src;
    char *out = dst;
    int64_t from_size = ops_dtype_size[from], to_size = ops_dtype_size[to];
    uint64_t stage[BLOCK];
    int64_t most = (int64_t)sizeof stage / (n * from_size); /* lines that fit */
    if (to == from) {
        join_lines(to_size, lines, n, in, line_stride, src_stride, out);
        return;
    }
    for (int64_t l = 0, count; l < lines; l += count) {
        if (most < 1) {
            count = 1;
            ops_convert(to, from, n, in + l * line_stride, src_stride, out + l * n * to_size);
        } else {
            count = smaller(most, lines - l);
            join_lines(from_size, count, n, in + l * line_stride, line_stride, src_stride,
                       (char *)stage);
            convert_contiguous(to, from, count * n, stage, out + l * n * to_size);
        }
    }
}

void ops_convert_out(int to, int from, int64_t n, const void *src, void *dst, int64_t dst_stride)
{
    const char *in = src;
    char *out = dst;
    int64_t from_size = ops_dtype_size[from], to_size = ops_dtype_size[to];
    if (dst_stride == to_size) {
        convert_contiguous(to, from, n, src, dst);
        return;
    }
    if (to == from) {
        copy_strided(to_size, n, in, from_size, out, dst_stride);
        return;
    }
    uint64_t stage[BLOCK];
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t count = smaller(BLOCK, n - begin);
        convert_contiguous(to, from, count, in + begin * from_size, stage);
        copy_strided(to_size, count, (char *)stage, to_size, out + begin * dst_stride, dst_stride);
    }
}
