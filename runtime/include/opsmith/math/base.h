/* opsmith/math/base.h: bits, fma, sign, comparison, rounding: what the others are written in. */
#ifndef OPSMITH_MATH_BASE_H
#define OPSMITH_MATH_BASE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define OPS_INLINE static inline __attribute__((always_inline))

/* ---- bits and fma ---------------------------------------------------------------------------- */

OPS_INLINE int32_t ops_bits_f32(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

OPS_INLINE float ops_from_bits_f32(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

OPS_INLINE int64_t ops_bits_f64(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

OPS_INLINE double ops_from_bits_f64(int64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* a * b + c, fused where the machine does it in one instruction: elsewhere it is a call. */
OPS_INLINE float ops_fma_f32(float a, float b, float c)
{
#ifdef __FP_FAST_FMAF
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

OPS_INLINE double ops_fma_f64(double a, double b, double c)
{
#ifdef __FP_FAST_FMA
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

/* The rounding error of product = a * b, exactly (Dekker's split where there is no fma). */
OPS_INLINE double ops_mul_error_f64(double a, double b, double product)
{
#ifdef __FP_FAST_FMA
    return __builtin_fma(a, b, -product);
#else
    double a_big = a * 134217729.0, b_big = b * 134217729.0; /* 2^27 + 1 halves the mantissa */
    double a_hi = a_big - (a_big - a), b_hi = b_big - (b_big - b);
    double a_lo = a - a_hi, b_lo = b - b_hi;
    return ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo;
#endif
}

OPS_INLINE float ops_mul_error_f32(float a, float b, float product)
{
    return (float)((double)a * (double)b - (double)product); /* 48 bits: exact in double */
}

/* The rounding error of sum = a + b, exactly, whichever is larger (Knuth). */
OPS_INLINE double ops_add_error_f64(double a, double b, double sum)
{
    double b_virtual = sum - a;
    return (a - (sum - b_virtual)) + (b - b_virtual);
}

/*
 * Adding 1.5 * 2^23 (2^52) leaves the nearest integer in the low mantissa bits: one addition gives
 * both the rounded value and its bits, on every instruction set.
 */
#define OPS_ROUND_F32 12582912.0f
#define OPS_ROUND_F64 6755399441055744.0

#define OPS_INF_F32 __builtin_inff()
#define OPS_INF_F64 __builtin_inf()
#define OPS_NAN_F32 __builtin_nanf("")
#define OPS_NAN_F64 __builtin_nan("")

/* ---- sign, comparison, rounding -------------------------------------------------------------- */

OPS_INLINE float ops_abs_f32(float x)
{
    return __builtin_fabsf(x);
}

OPS_INLINE float ops_copysign_f32(float x, float sign)
{
    return __builtin_copysignf(x, sign);
}

/* 0 for NaN and for both zeros, as torch.sign. */
OPS_INLINE float ops_sign_f32(float x)
{
    return (x > 0 ? 1.0f : 0.0f) - (x < 0 ? 1.0f : 0.0f);
}

OPS_INLINE int ops_isnan_f32(float x)
{
    return x != x;
}

OPS_INLINE int ops_isinf_f32(float x)
{
    return __builtin_fabsf(x) == OPS_INF_F32;
}

OPS_INLINE int ops_isfinite_f32(float x)
{
    return __builtin_fabsf(x) < OPS_INF_F32;
}

OPS_INLINE float ops_floor_f32(float x)
{
    return __builtin_floorf(x);
}

OPS_INLINE float ops_ceil_f32(float x)
{
    return __builtin_ceilf(x);
}

OPS_INLINE float ops_trunc_f32(float x)
{
    return __builtin_truncf(x);
}

/* Half to even. */
OPS_INLINE float ops_round_f32(float x)
{
    return __builtin_rintf(x);
}

OPS_INLINE float ops_sqrt_f32(float x)
{
    return __builtin_sqrtf(x);
}

OPS_INLINE float ops_rsqrt_f32(float x)
{
    return 1.0f / __builtin_sqrtf(x);
}

/* maximum and minimum keep a NaN of either side; fmax and fmin ignore it. */
OPS_INLINE float ops_maximum_f32(float x, float y)
{
    float larger = x > y ? x : y; /* y where y is NaN */
    return x != x ? x : larger;
}

OPS_INLINE float ops_minimum_f32(float x, float y)
{
    float smaller = x < y ? x : y;
    return x != x ? x : smaller;
}

OPS_INLINE float ops_fmax_f32(float x, float y)
{
    float larger = x > y ? x : y;
    return y != y ? x : larger;
}

OPS_INLINE float ops_fmin_f32(float x, float y)
{
    float smaller = x < y ? x : y;
    return y != y ? x : smaller;
}

/* The next representable value after x towards y. */
OPS_INLINE float ops_nextafter_f32(float x, float y)
{
    int32_t bits = ops_bits_f32(x);
    int32_t away = (x < y) == (x > 0) ? 1 : -1; /* the magnitude grows as the bits grow */
    float stepped = ops_from_bits_f32(bits + away);
    float from_zero = __builtin_copysignf(ops_from_bits_f32(1), y);
    float result = x == 0 ? from_zero : stepped;
    result = x == y ? y : result;
    return ((x != x) | (y != y)) ? x + y : result;
}

OPS_INLINE double ops_abs_f64(double x)
{
    return __builtin_fabs(x);
}

OPS_INLINE double ops_copysign_f64(double x, double sign)
{
    return __builtin_copysign(x, sign);
}

/* 0 for NaN and for both zeros, as torch.sign. */
OPS_INLINE double ops_sign_f64(double x)
{
    return (x > 0 ? 1.0 : 0.0) - (x < 0 ? 1.0 : 0.0);
}

OPS_INLINE int ops_isnan_f64(double x)
{
    return x != x;
}

OPS_INLINE int ops_isinf_f64(double x)
{
    return __builtin_fabs(x) == OPS_INF_F64;
}

OPS_INLINE int ops_isfinite_f64(double x)
{
    return __builtin_fabs(x) < OPS_INF_F64;
}

OPS_INLINE double ops_floor_f64(double x)
{
    return __builtin_floor(x);
}

OPS_INLINE double ops_ceil_f64(double x)
{
    return __builtin_ceil(x);
}

OPS_INLINE double ops_trunc_f64(double x)
{
    return __builtin_trunc(x);
}

/* Half to even. */
OPS_INLINE double ops_round_f64(double x)
{
    return __builtin_rint(x);
}

OPS_INLINE double ops_sqrt_f64(double x)
{
    return __builtin_sqrt(x);
}

OPS_INLINE double ops_rsqrt_f64(double x)
{
    return 1.0 / __builtin_sqrt(x);
}

/* maximum and minimum keep a NaN of either side; fmax and fmin ignore it. */
OPS_INLINE double ops_maximum_f64(double x, double y)
{
    double larger = x > y ? x : y; /* y where y is NaN */
    return x != x ? x : larger;
}

OPS_INLINE double ops_minimum_f64(double x, double y)
{
    double smaller = x < y ? x : y;
    return x != x ? x : smaller;
}

OPS_INLINE double ops_fmax_f64(double x, double y)
{
    double larger = x > y ? x : y;
    return y != y ? x : larger;
}

OPS_INLINE double ops_fmin_f64(double x, double y)
{
    double smaller = x < y ? x : y;
    return y != y ? x : smaller;
}

/* The next representable value after x towards y. */
OPS_INLINE double ops_nextafter_f64(double x, double y)
{
    int64_t bits = ops_bits_f64(x);
    int64_t away = (x < y) == (x > 0) ? 1 : -1; /* the magnitude grows as the bits grow */
    double stepped = ops_from_bits_f64(bits + away);
    double from_zero = __builtin_copysign(ops_from_bits_f64(1), y);
    double result = x == 0 ? from_zero : stepped;
    result = x == y ? y : result;
    return ((x != x) | (y != y)) ? x + y : result;
}

#endif
