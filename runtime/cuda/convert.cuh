/* Elements between storage and compute dtypes on the device: the rules of opsmith/convert.h.
 *
 * Storage types: those of opsmith/dtype_table.h, bool for truth values, and of packed floats
 * ops_float_of. Element types (inside kernels): double, float, int64_t, int32_t, uint8_t (0 or 1). */
#ifndef OPSMITH_CUDA_CONVERT_CUH
#define OPSMITH_CUDA_CONVERT_CUH

#include "host.cuh"

/* Where a float is no integer of the type: the least one. */
OPS_DEVICE int64_t ops_long_of(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

OPS_DEVICE int32_t ops_int_of(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}

/* Packed floats: E bits of exponent, M of significand; FINITE ones have one NaN, all ones. */
template <int E, int M, bool FINITE> struct ops_packed {
    typename std::conditional<(E + M > 7), uint16_t, uint8_t>::type bits;
};

template <int E, int M, bool FINITE> struct ops_float_of {
    typedef ops_packed<E, M, FINITE> stored;
};

/* Those that the GPU converts by instructions. */
template <> struct ops_float_of<8, 7, false> {
    typedef __nv_bfloat16 stored;
};

template <> struct ops_float_of<5, 10, false> {
    typedef __half stored;
};

/* A stored element as what C computes with. */
template <class S> OPS_DEVICE S ops_plain(S x) { return x; }
OPS_DEVICE float ops_plain(__nv_bfloat16 x) { return __bfloat162float(x); }
OPS_DEVICE float ops_plain(__half x) { return __half2float(x); }

template <int E, int M, bool FINITE> OPS_DEVICE float ops_plain(ops_packed<E, M, FINITE> x)
{
    const int magnitude = x.bits & ((1 << (E + M)) - 1), exponent = magnitude >> M;
    const int significand = magnitude & ((1 << M) - 1), bias = (1 << (E - 1)) - 1;
    const bool special = FINITE ? magnitude == (1 << (E + M)) - 1 : exponent == (1 << E) - 1;
    const int whole = exponent > 0 ? significand | 1 << M : significand;
    float value = ldexpf((float)whole, (exponent > 0 ? exponent : 1) - bias - M);
    value = !special ? value : FINITE || significand != 0 ? NAN : INFINITY;
    return x.bits >> (E + M) ? -value : value;
}

/* Nearest, ties to even; too large gives infinity, or NaN where there is none. */
template <int E, int M, bool FINITE> OPS_DEVICE ops_packed<E, M, FINITE> ops_packed_of(double x)
{
    const int bias = (1 << (E - 1)) - 1, all = (1 << (E + M)) - 1;
    const int infinity = FINITE ? all : ((1 << E) - 1) << M;
    const double size = fabs(x);
    int magnitude = 0;
    if (!(size == size)) {
        magnitude = all;
    } else if (size >= ldexp(1.0, bias + 2)) {
        magnitude = infinity;
    } else if (size > 0) {
        int power = 0;
        frexp(size, &power); /* size < 2^power */
        const int exponent = power - 1 + bias > 0 ? power - 1 + bias : 0;
        const int last = (exponent > 0 ? exponent : 1) - bias - M; /* a unit of the last place */
        const int whole = (int)rint(ldexp(size, -last));
        magnitude = whole + ((exponent > 0 ? exponent - 1 : 0) << M);
        magnitude = magnitude > infinity ? infinity : magnitude;
    }
    ops_packed<E, M, FINITE> out;
    out.bits = (decltype(out.bits))(magnitude | (signbit(x) ? 1 << (E + M) : 0));
    return out;
}

/* The integer of an element. */
template <class S> OPS_DEVICE int64_t ops_whole(S x)
{
    if constexpr (std::is_floating_point<decltype(ops_plain(x))>::value) {
        return ops_long_of((double)ops_plain(x));
    } else {
        return (int64_t)ops_plain(x);
    }
}

/* Stored x as an element of type C. The smaller integers take the low bits: of an int32 the signed
 * ones of up to 32 bits, of an int64 the others. */
template <class C> struct ops_into {
    template <class S> OPS_DEVICE C of(S x)
    {
        if constexpr (std::is_floating_point<C>::value) {
            return (C)ops_plain(x);
        } else if constexpr (std::is_signed<C>::value && sizeof(C) <= 4 &&
                             std::is_floating_point<decltype(ops_plain(x))>::value) {
            return (C)ops_int_of((double)ops_plain(x));
        } else {
            return (C)ops_whole(x);
        }
    }
};

template <int E, int M, bool FINITE> struct ops_into<ops_packed<E, M, FINITE>> {
    template <class S> OPS_DEVICE ops_packed<E, M, FINITE> of(S x)
    {
        return ops_packed_of<E, M, FINITE>((double)ops_plain(x));
    }
};

template <> struct ops_into<__nv_bfloat16> {
    OPS_DEVICE __nv_bfloat16 of(double x) { return __double2bfloat16(x); }
    OPS_DEVICE __nv_bfloat16 of(float x) { return __float2bfloat16_rn(x); }
    OPS_DEVICE __nv_bfloat16 of(int64_t x) { return __ll2bfloat16_rn(x); }
    OPS_DEVICE __nv_bfloat16 of(int32_t x) { return __int2bfloat16_rn(x); }
    OPS_DEVICE __nv_bfloat16 of(uint8_t x) { return __float2bfloat16_rn((float)x); }
};

template <> struct ops_into<__half> {
    OPS_DEVICE __half of(double x) { return __double2half(x); }
    OPS_DEVICE __half of(float x) { return __float2half_rn(x); }
    OPS_DEVICE __half of(int64_t x) { return __ll2half_rn(x); }
    OPS_DEVICE __half of(int32_t x) { return __int2half_rn(x); }
    OPS_DEVICE __half of(uint8_t x) { return __float2half_rn((float)x); }
};

template <> struct ops_into<bool> {
    template <class S> OPS_DEVICE bool of(S x) { return ops_plain(x) != 0; }
};

/* uint8_t is the element type of bool as well as a storage dtype: of() reads a truth value, and
 * ops_store_any stores by ops_whole. */
template <> struct ops_into<uint8_t> {
    template <class S> OPS_DEVICE uint8_t of(S x) { return ops_plain(x) != 0; }
};

/* How an element of each category stands in memory, and how it gets there. */
#define OPS_STORED_FLOAT(type) type
#define OPS_STORED_INT(type) type
#define OPS_STORED_UINT(type) type
#define OPS_STORED_BOOL(type) bool
#define OPS_STORE_FLOAT(type, x) ops_into<type>::of(x)
#define OPS_STORE_INT(type, x) ops_into<type>::of(x)
#define OPS_STORE_UINT(type, x) (type)ops_whole(x)
#define OPS_STORE_BOOL(type, x) ops_into<bool>::of(x)

/* One element of any storage dtype; not inlined, since all conversions would swell every kernel. */
template <class C> static __device__ __noinline__ C ops_load_any(const char *p, int dtype)
{
#define OPS_NATIVE(_, NAME, code, type, category)                                                  \
    case OPS_##NAME: return ops_into<C>::of(*(const OPS_STORED_##category(type) *)p);
#define OPS_PACKED(NAME, code, type, e, m, finite)                                                 \
    case OPS_##NAME: return ops_into<C>::of(*(const ops_float_of<e, m, finite>::stored *)p);
    switch (dtype) {
        OPS_FOR_EACH_NATIVE(OPS_NATIVE, )
        OPS_FOR_EACH_PACKED(OPS_PACKED)
    }
#undef OPS_NATIVE
#undef OPS_PACKED
    return C();
}

template <class C> static __device__ __noinline__ void ops_store_any(char *p, int dtype, C x)
{
#define OPS_NATIVE(_, NAME, code, type, category)                                                  \
    case OPS_##NAME:                                                                               \
        *(OPS_STORED_##category(type) *)p = OPS_STORE_##category(type, x);                         \
        break;
#define OPS_PACKED(NAME, code, type, e, m, finite)                                                 \
    case OPS_##NAME: {                                                                             \
        typedef ops_float_of<e, m, finite>::stored packed;                                           \
        *(packed *)p = ops_into<packed>::of(x);                                                    \
        break;                                                                                     \
    }
    switch (dtype) {
        OPS_FOR_EACH_NATIVE(OPS_NATIVE, )
        OPS_FOR_EACH_PACKED(OPS_PACKED)
    }
#undef OPS_NATIVE
#undef OPS_PACKED
}

/* Storage dtypes of the types; -1 for none. */
template <class S> struct ops_storage_of { enum { DTYPE = -1 }; };
#define OPS_NATIVE(_, NAME, code, type, category)                                                  \
    template <> struct ops_storage_of<OPS_STORED_##category(type)> { enum { DTYPE = OPS_##NAME }; };
#define OPS_PACKED(NAME, code, type, e, m, finite)                                                 \
    template <> struct ops_storage_of<ops_float_of<e, m, finite>::stored> { enum { DTYPE = OPS_##NAME }; };
OPS_FOR_EACH_NATIVE(OPS_NATIVE, )
OPS_FOR_EACH_PACKED(OPS_PACKED)
#undef OPS_NATIVE
#undef OPS_PACKED

/* Storage types that say at run time which they are. A kernel for both of the short floats is half
 * the code of one each; the choice is the same for a whole warp and costs nothing beside memory. */
struct ops_any {};
struct alignas(2) ops_short_float { uint16_t bits; }; /* bf16 or f16 */

template <class S> struct ops_is_any { enum { VALUE = 0 }; };
template <> struct ops_is_any<ops_any> { enum { VALUE = 1 }; };

/* Is the storage dtype one that the type holds? */
template <class S> static inline int ops_stores(int dtype)
{
    return dtype == (int)ops_storage_of<S>::DTYPE;
}
template <> inline int ops_stores<ops_short_float>(int dtype)
{
    return ops_stores<__nv_bfloat16>(dtype) || ops_stores<__half>(dtype);
}

/* n storage elements that move as one: a load or store of up to 16 bytes. */
template <class S, int V> struct alignas(V * sizeof(S) < 16 ? V * sizeof(S) : 16) ops_vector {
    S at[V];
};

/* V neighbouring elements as C; and back. */
template <class C, class S, int V>
OPS_DEVICE void ops_convert_vector(const ops_vector<S, V> &from, int dtype, ops_vector<C, V> &to)
{
    if constexpr (std::is_same<S, ops_short_float>::value) {
        if (dtype == OPS_BF16) {
#pragma unroll
            for (int v = 0; v < V; ++v) {
                to.at[v] = ops_into<C>::of(__ushort_as_bfloat16(from.at[v].bits));
            }
        } else {
#pragma unroll
            for (int v = 0; v < V; ++v) {
                to.at[v] = ops_into<C>::of(__ushort_as_half(from.at[v].bits));
            }
        }
    } else {
#pragma unroll
        for (int v = 0; v < V; ++v) {
            to.at[v] = ops_into<C>::of(from.at[v]);
        }
    }
}

template <class C, class S, int V>
OPS_DEVICE void ops_unconvert_vector(const ops_vector<C, V> &from, int dtype, ops_vector<S, V> &to)
{
    if constexpr (std::is_same<S, ops_short_float>::value) {
        if (dtype == OPS_BF16) {
#pragma unroll
            for (int v = 0; v < V; ++v) {
                to.at[v].bits = __bfloat16_as_ushort(ops_into<__nv_bfloat16>::of(from.at[v]));
            }
        } else {
#pragma unroll
            for (int v = 0; v < V; ++v) {
                to.at[v].bits = __half_as_ushort(ops_into<__half>::of(from.at[v]));
            }
        }
    } else {
#pragma unroll
        for (int v = 0; v < V; ++v) {
            to.at[v] = ops_into<S>::of(from.at[v]);
        }
    }
}

/* One element. */
template <class C, class S> OPS_DEVICE C ops_load_one(const char *from, int dtype)
{
    if constexpr (ops_is_any<S>::VALUE) {
        return ops_load_any<C>(from, dtype);
    } else {
        ops_vector<C, 1> x;
        ops_convert_vector(*(const ops_vector<S, 1> *)from, dtype, x);
        return x.at[0];
    }
}

template <class C, class S> OPS_DEVICE void ops_store_one(char *to, int dtype, C x)
{
    if constexpr (ops_is_any<S>::VALUE) {
        ops_store_any<C>(to, dtype, x);
    } else {
        const ops_vector<C, 1> from = {{x}};
        ops_unconvert_vector(from, dtype, *(ops_vector<S, 1> *)to);
    }
}

#endif
