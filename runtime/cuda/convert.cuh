/* Elements between storage and compute dtypes on the device: the rules of opsmith/convert.h.
 *
 * Storage types: double, float, __nv_bfloat16, __half, int64_t, int32_t, int16_t, int8_t, uint8_t,
 * bool. Element types (inside kernels): double, float, int64_t, int32_t, uint8_t (0 or 1). */
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

/* Stored x as an element of type C. */
template <class C> struct ops_into; /* C from anything */

template <> struct ops_into<double> {
    OPS_DEVICE double of(double x) { return x; }
    OPS_DEVICE double of(float x) { return (double)x; }
    OPS_DEVICE double of(__nv_bfloat16 x) { return (double)__bfloat162float(x); }
    OPS_DEVICE double of(__half x) { return (double)__half2float(x); }
    OPS_DEVICE double of(int64_t x) { return (double)x; }
    OPS_DEVICE double of(int32_t x) { return (double)x; }
    OPS_DEVICE double of(int16_t x) { return (double)x; }
    OPS_DEVICE double of(int8_t x) { return (double)x; }
    OPS_DEVICE double of(uint8_t x) { return (double)x; }
    OPS_DEVICE double of(bool x) { return x ? 1.0 : 0.0; }
};

template <> struct ops_into<float> {
    OPS_DEVICE float of(double x) { return (float)x; }
    OPS_DEVICE float of(float x) { return x; }
    OPS_DEVICE float of(__nv_bfloat16 x) { return __bfloat162float(x); }
    OPS_DEVICE float of(__half x) { return __half2float(x); }
    OPS_DEVICE float of(int64_t x) { return (float)x; }
    OPS_DEVICE float of(int32_t x) { return (float)x; }
    OPS_DEVICE float of(int16_t x) { return (float)x; }
    OPS_DEVICE float of(int8_t x) { return (float)x; }
    OPS_DEVICE float of(uint8_t x) { return (float)x; }
    OPS_DEVICE float of(bool x) { return x ? 1.0f : 0.0f; }
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

template <> struct ops_into<int64_t> {
    OPS_DEVICE int64_t of(double x) { return ops_long_of(x); }
    OPS_DEVICE int64_t of(float x) { return ops_long_of((double)x); }
    OPS_DEVICE int64_t of(__nv_bfloat16 x) { return ops_long_of((double)__bfloat162float(x)); }
    OPS_DEVICE int64_t of(__half x) { return ops_long_of((double)__half2float(x)); }
    OPS_DEVICE int64_t of(int64_t x) { return x; }
    OPS_DEVICE int64_t of(int32_t x) { return x; }
    OPS_DEVICE int64_t of(int16_t x) { return x; }
    OPS_DEVICE int64_t of(int8_t x) { return x; }
    OPS_DEVICE int64_t of(uint8_t x) { return x; }
    OPS_DEVICE int64_t of(bool x) { return x; }
};

template <> struct ops_into<int32_t> {
    OPS_DEVICE int32_t of(double x) { return ops_int_of(x); }
    OPS_DEVICE int32_t of(float x) { return ops_int_of((double)x); }
    OPS_DEVICE int32_t of(__nv_bfloat16 x) { return ops_int_of((double)__bfloat162float(x)); }
    OPS_DEVICE int32_t of(__half x) { return ops_int_of((double)__half2float(x)); }
    OPS_DEVICE int32_t of(int64_t x) { return (int32_t)x; }
    OPS_DEVICE int32_t of(int32_t x) { return x; }
    OPS_DEVICE int32_t of(int16_t x) { return x; }
    OPS_DEVICE int32_t of(int8_t x) { return x; }
    OPS_DEVICE int32_t of(uint8_t x) { return x; }
    OPS_DEVICE int32_t of(bool x) { return x; }
};

/* The smaller integers take the low bits: of int32 (i16, i8) or int64 (u8). */
template <> struct ops_into<int16_t> {
    template <class S> OPS_DEVICE int16_t of(S x) { return (int16_t)ops_into<int32_t>::of(x); }
};

template <> struct ops_into<int8_t> {
    template <class S> OPS_DEVICE int8_t of(S x) { return (int8_t)ops_into<int32_t>::of(x); }
};

template <> struct ops_into<bool> {
    template <class S> OPS_DEVICE bool of(S x) { return x != (S)0; }
};

/* uint8_t is the element type of bool as well as a storage dtype. A store of an element uses
 * ops_stored_u8; of() is for reading a bool or a truth value. */
template <> struct ops_into<uint8_t> {
    template <class S> OPS_DEVICE uint8_t of(S x) { return ops_into<double>::of(x) != 0.0; }
    OPS_DEVICE uint8_t of(int64_t x) { return x != 0; }
    OPS_DEVICE uint8_t of(int32_t x) { return x != 0; }
    OPS_DEVICE uint8_t of(bool x) { return x; }
};

OPS_DEVICE uint8_t ops_stored_u8(double x) { return (uint8_t)ops_long_of(x); }
OPS_DEVICE uint8_t ops_stored_u8(float x) { return (uint8_t)ops_long_of((double)x); }
OPS_DEVICE uint8_t ops_stored_u8(int64_t x) { return (uint8_t)x; }
OPS_DEVICE uint8_t ops_stored_u8(int32_t x) { return (uint8_t)x; }
OPS_DEVICE uint8_t ops_stored_u8(uint8_t x) { return x; }

/* One element of any storage dtype; not inlined, since ten conversions would swell every kernel. */
template <class C> static __device__ __noinline__ C ops_load_any(const char *p, int dtype)
{
    switch (dtype) {
    case OPS_F64: return ops_into<C>::of(*(const double *)p);
    case OPS_F32: return ops_into<C>::of(*(const float *)p);
    case OPS_BF16: return ops_into<C>::of(*(const __nv_bfloat16 *)p);
    case OPS_F16: return ops_into<C>::of(*(const __half *)p);
    case OPS_I64: return ops_into<C>::of(*(const int64_t *)p);
    case OPS_I32: return ops_into<C>::of(*(const int32_t *)p);
    case OPS_I16: return ops_into<C>::of(*(const int16_t *)p);
    case OPS_I8: return ops_into<C>::of(*(const int8_t *)p);
    case OPS_U8: return ops_into<C>::of(*(const uint8_t *)p);
    default: return ops_into<C>::of(*(const bool *)p);
    }
}

template <class C> static __device__ __noinline__ void ops_store_any(char *p, int dtype, C x)
{
    switch (dtype) {
    case OPS_F64: *(double *)p = ops_into<double>::of(x); break;
    case OPS_F32: *(float *)p = ops_into<float>::of(x); break;
    case OPS_BF16: *(__nv_bfloat16 *)p = ops_into<__nv_bfloat16>::of(x); break;
    case OPS_F16: *(__half *)p = ops_into<__half>::of(x); break;
    case OPS_I64: *(int64_t *)p = ops_into<int64_t>::of(x); break;
    case OPS_I32: *(int32_t *)p = ops_into<int32_t>::of(x); break;
    case OPS_I16: *(int16_t *)p = ops_into<int16_t>::of(x); break;
    case OPS_I8: *(int8_t *)p = ops_into<int8_t>::of(x); break;
    case OPS_U8: *(uint8_t *)p = ops_stored_u8(x); break;
    default: *(bool *)p = ops_into<bool>::of(x); break;
    }
}

/* Storage dtypes of the types; -1 for none. */
template <class S> struct ops_storage_of { enum { DTYPE = -1 }; };
template <> struct ops_storage_of<double> { enum { DTYPE = OPS_F64 }; };
template <> struct ops_storage_of<float> { enum { DTYPE = OPS_F32 }; };
template <> struct ops_storage_of<__nv_bfloat16> { enum { DTYPE = OPS_BF16 }; };
template <> struct ops_storage_of<__half> { enum { DTYPE = OPS_F16 }; };
template <> struct ops_storage_of<int64_t> { enum { DTYPE = OPS_I64 }; };
template <> struct ops_storage_of<int32_t> { enum { DTYPE = OPS_I32 }; };
template <> struct ops_storage_of<bool> { enum { DTYPE = OPS_BOOL }; };

/* n storage elements that move as one: a load or store of up to 16 bytes. */
template <class S, int V> struct alignas(V * sizeof(S) < 16 ? V * sizeof(S) : 16) ops_vector {
    S at[V];
};

#endif
