/*
 * Conversion between all storage dtypes: see opsmith/convert.h for the rules.
 *
 * Eight dtypes convert to each other directly, one vectorised loop a pair. The two 16-bit floats
 * go through f32 in blocks that stay in L1: one loop each way instead of twenty pairs. Strided
 * arrays are gathered into (or scattered from) such a block by element size.
 */
#include "opsmith/convert.h"

#include <string.h>

const int64_t ops_dtype_size[OPS_DTYPE_COUNT] = {
    [OPS_F64] = 8, [OPS_F32] = 4, [OPS_BF16] = 2, [OPS_F16] = 2, [OPS_I64] = 8,
    [OPS_I32] = 4, [OPS_I16] = 2, [OPS_I8] = 1,   [OPS_U8] = 1,  [OPS_BOOL] = 1,
};

const char *const ops_dtype_name[OPS_DTYPE_COUNT] = {
    [OPS_F64] = "Double", [OPS_F32] = "Float", [OPS_BF16] = "BFloat16", [OPS_F16] = "Half",
    [OPS_I64] = "Long",   [OPS_I32] = "Int",   [OPS_I16] = "Short",     [OPS_I8] = "Char",
    [OPS_U8] = "Byte",    [OPS_BOOL] = "Bool",
};

const int ops_compute_dtype[OPS_DTYPE_COUNT] = {
    [OPS_F64] = OPS_F64, [OPS_F32] = OPS_F32, [OPS_BF16] = OPS_F32, [OPS_F16] = OPS_F32,
    [OPS_I64] = OPS_I64, [OPS_I32] = OPS_I32, [OPS_I16] = OPS_I32,  [OPS_I8] = OPS_I32,
    [OPS_U8] = OPS_I32,  [OPS_BOOL] = OPS_BOOL,
};

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

static inline int64_t i64_of_i64(int64_t x)
{
    return x;
}

static inline int32_t i32_of_i64(int64_t x)
{
    return (int32_t)x;
}

static inline int32_t i32_of_i32(int32_t x)
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

/* An i64 of 2^38 or more loses its low 16 bits to one sticky bit, and is then exact in double. */
static inline double sticky_f64_of_i64(int64_t x)
{
    int64_t sticky = (x & ~INT64_C(0xffff)) | ((x & 0xffff) != 0 ? 0x8000 : 0);
    int small = x < (INT64_C(1) << 38) && x > -(INT64_C(1) << 38);
    return (double)(small ? x : sticky);
}

static inline float f32_of_bf16(uint16_t x)
{
    return f32_of_bits((uint32_t)x << 16);
}

static inline uint16_t bf16_of_f32(float x)
{
    uint32_t bits = bits_of_f32(x);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (uint16_t)(x != x ? (bits >> 16) | 0x0040 : rounded); /* a quiet NaN, its sign kept */
}

/* Exact: a normal f16 gets its exponent by a multiplication, which also normalises denormals. */
static inline float f32_of_f16(uint16_t x)
{
    uint32_t sign = (uint32_t)(x & 0x8000) << 16;
    uint32_t magnitude = (uint32_t)(x & 0x7fff) << 13;
    float scaled = f32_of_bits(magnitude) * 0x1p112f; /* the exponent biases differ by 112 */
    uint32_t finite = bits_of_f32(scaled);
    uint32_t special = magnitude | 0x7f800000; /* infinity; of NaN the payload stays */
    special |= magnitude > 0x0f800000 ? 0x00400000 : 0;
    return f32_of_bits(sign | (magnitude >= 0x0f800000 ? special : finite));
}

static inline uint16_t f16_of_f32(float x)
{
    uint32_t bits = bits_of_f32(x);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t normal = (magnitude - 0x38000000 + 0x0fff + (magnitude >> 13 & 1)) >> 13;
    /* Below 2^-14: adding 1/2 shifts the value to where one f16 denormal is the last f32 bit. */
    uint32_t denormal = bits_of_f32(f32_of_bits(magnitude) + 0.5f) - 0x3f000000;
    uint32_t nan = 0x7e00 | (magnitude >> 13 & 0x01ff);
    uint32_t result = magnitude < 0x38800000 ? denormal : normal;
    result = magnitude >= 0x477ff000 ? 0x7c00 : result; /* 65520 and above round to infinity */
    result = magnitude > 0x7f800000 ? nan : result;
    return (uint16_t)(sign | result);
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

typedef double type_f64;
typedef float type_f32;
typedef int64_t type_i64;
typedef int32_t type_i32;
typedef int16_t type_i16;
typedef int8_t type_i8;
typedef uint8_t type_u8;
typedef uint8_t type_bool;

/* The integer of an element of any type, by the rules of convert.h. */
#define WHOLE64(v) _Generic((v), double: i64_of_f64, float: i64_of_f32, default: i64_of_i64)(v)
#define WHOLE32(v)                                                                                 \
    _Generic((v), double: i32_of_f64, float: i32_of_f32, int64_t: i32_of_i64, default: i32_of_i32) \
    (v)

#define TO_f64(v) (double)(v)
#define TO_f32(v) (float)(v)
#define TO_i64(v) WHOLE64(v)
#define TO_i32(v) WHOLE32(v)
#define TO_i16(v) (int16_t)WHOLE32(v)
#define TO_i8(v) (int8_t)WHOLE32(v)
#define TO_u8(v) (uint8_t)_Generic((v), double: WHOLE64(v), default: WHOLE32(v))
#define TO_bool(v) ((v) != 0)

#define DIRECT(to, from) LOOP(to##_of_##from##s, type_##to, type_##from, TO_##to(x[i]))
#define DIRECT_TO(to)                                                                              \
    DIRECT(to, f64) DIRECT(to, f32) DIRECT(to, i64) DIRECT(to, i32)                                \
    DIRECT(to, i16) DIRECT(to, i8) DIRECT(to, u8) DIRECT(to, bool)

DIRECT_TO(f64)
DIRECT_TO(f32)
DIRECT_TO(i64)
DIRECT_TO(i32)
DIRECT_TO(i16)
DIRECT_TO(i8)
DIRECT_TO(u8)
DIRECT_TO(bool)

LOOP(f32_of_bf16s, float, uint16_t, f32_of_bf16(x[i]))
LOOP(bf16_of_f32s, uint16_t, float, bf16_of_f32(x[i]))
LOOP(odd_f32_of_f64s, float, double, odd_f32_of_f64(x[i]))
LOOP(odd_f32_of_i64s, float, int64_t, odd_f32_of_f64(sticky_f64_of_i64(x[i])))
LOOP(odd_f32_of_i32s, float, int32_t, odd_f32_of_f64(x[i]))

LOOP(f32_of_f16s, float, uint16_t, f32_of_f16(x[i]))
LOOP(f16_of_f32s, uint16_t, float, f16_of_f32(x[i]))

ops_half_loops ops_half = {f32_of_f16s, f16_of_f32s};

static void f32_of_halfs(int64_t n, const void *src, void *dst)
{
    ops_half.f32_of_f16(n, src, dst);
}

#define DIRECT_ROW(to)                                                                             \
    {                                                                                              \
        [OPS_F64] = to##_of_f64s, [OPS_F32] = to##_of_f32s, [OPS_I64] = to##_of_i64s,              \
        [OPS_I32] = to##_of_i32s, [OPS_I16] = to##_of_i16s, [OPS_I8] = to##_of_i8s,                \
        [OPS_U8] = to##_of_u8s,   [OPS_BOOL] = to##_of_bools                                       \
    }

static ops_convert_loop *const direct[OPS_DTYPE_COUNT][OPS_DTYPE_COUNT] = {
    [OPS_F64] = DIRECT_ROW(f64), [OPS_F32] = DIRECT_ROW(f32), [OPS_I64] = DIRECT_ROW(i64),
    [OPS_I32] = DIRECT_ROW(i32), [OPS_I16] = DIRECT_ROW(i16), [OPS_I8] = DIRECT_ROW(i8),
    [OPS_U8] = DIRECT_ROW(u8),   [OPS_BOOL] = DIRECT_ROW(bool),
};

/* To f32 on the way to 16 bits: rounded to odd where f32 cannot hold the source exactly. */
static ops_convert_loop *const to_stage[OPS_DTYPE_COUNT] = {
    [OPS_F64] = odd_f32_of_f64s, [OPS_BF16] = f32_of_bf16s, [OPS_F16] = f32_of_halfs,
    [OPS_I64] = odd_f32_of_i64s, [OPS_I32] = odd_f32_of_i32s, [OPS_I16] = f32_of_i16s,
    [OPS_I8] = f32_of_i8s, [OPS_U8] = f32_of_u8s, [OPS_BOOL] = f32_of_bools,
};

static int is_half(int dtype)
{
    return dtype == OPS_BF16 || dtype == OPS_F16;
}

static void half_of_f32s(int to, int64_t n, const float *src, void *dst)
{
    if (to == OPS_BF16)
        bf16_of_f32s(n, src, dst);
    else
        ops_half.f16_of_f32(n, src, dst);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One side or both is a 16-bit float: through a block of f32, unless f32 is the other side. */
static void convert_half(int to, int from, int64_t n, const char *src, char *dst)
{
    if (from == OPS_F32) {
        half_of_f32s(to, n, (const float *)src, dst);
        return;
    }
    if (to == OPS_F32) {
        to_stage[from](n, src, dst);
        return;
    }
    float stage[BLOCK];
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t count = smaller(BLOCK, n - begin);
        char *out = dst + begin * ops_dtype_size[to];
        to_stage[from](count, src + begin * ops_dtype_size[from], stage);
        if (is_half(to))
            half_of_f32s(to, count, stage, out);
        else
            direct[to][OPS_F32](count, stage, out);
    }
}

static void convert_contiguous(int to, int from, int64_t n, const void *src, void *dst)
{
    if (to == from)
        memcpy(dst, src, (size_t)(n * ops_dtype_size[to]));
    else if (is_half(to) || is_half(from))
        convert_half(to, from, n, src, dst);
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

    switch (size) {
        COPY(1)
        COPY(2)
        COPY(4)
        COPY(8)
    }
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
