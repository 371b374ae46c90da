/* opsmith/math.h on the device: the same names, made of CUDA's math functions.
 *
 * Kernels include this instead of opsmith/math.h (it takes its include guard), so that
 * opsmith/random.h gives the same bits here as on the CPU. Never compiled with fast math. */
#ifndef OPSMITH_CUDA_MATH_CUH
#define OPSMITH_CUDA_MATH_CUH
#define OPSMITH_MATH_H

#include "host.cuh"

#define OPS_INLINE OPS_DEVICE

OPS_INLINE int32_t ops_bits_f32(float x) { return __float_as_int(x); }
OPS_INLINE float ops_from_bits_f32(int32_t bits) { return __int_as_float(bits); }
OPS_INLINE int64_t ops_bits_f64(double x) { return __double_as_longlong(x); }
OPS_INLINE double ops_from_bits_f64(int64_t bits) { return __longlong_as_double(bits); }

/* Functions that exist in both float types: F is CUDA's name for f64, G for f32. */
#define OPS_UNARY(NAME, F, G)                                                                      \
    OPS_INLINE double ops_##NAME##_f64(double x) { return F(x); }                                  \
    OPS_INLINE float ops_##NAME##_f32(float x) { return G(x); }
#define OPS_BINARY(NAME, F, G)                                                                     \
    OPS_INLINE double ops_##NAME##_f64(double x, double y) { return F(x, y); }                     \
    OPS_INLINE float ops_##NAME##_f32(float x, float y) { return G(x, y); }

OPS_UNARY(exp, exp, expf)
OPS_UNARY(exp2, exp2, exp2f)
OPS_UNARY(expm1, expm1, expm1f)
OPS_UNARY(log, log, logf)
OPS_UNARY(log2, log2, log2f)
OPS_UNARY(log10, log10, log10f)
OPS_UNARY(log1p, log1p, log1pf)
OPS_UNARY(sqrt, sqrt, sqrtf)
OPS_UNARY(rsqrt, rsqrt, rsqrtf)
OPS_UNARY(sin, sin, sinf)
OPS_UNARY(cos, cos, cosf)
OPS_UNARY(tan, tan, tanf)
OPS_UNARY(asin, asin, asinf)
OPS_UNARY(acos, acos, acosf)
OPS_UNARY(atan, atan, atanf)
OPS_UNARY(sinh, sinh, sinhf)
OPS_UNARY(cosh, cosh, coshf)
OPS_UNARY(tanh, tanh, tanhf)
OPS_UNARY(asinh, asinh, asinhf)
OPS_UNARY(acosh, acosh, acoshf)
OPS_UNARY(atanh, atanh, atanhf)
OPS_UNARY(erf, erf, erff)
OPS_UNARY(erfc, erfc, erfcf)
OPS_UNARY(erfinv, erfinv, erfinvf)
OPS_UNARY(lgamma, lgamma, lgammaf)
OPS_UNARY(floor, floor, floorf)
OPS_UNARY(ceil, ceil, ceilf)
OPS_UNARY(trunc, trunc, truncf)
OPS_UNARY(round, rint, rintf)
OPS_UNARY(abs, fabs, fabsf)
OPS_UNARY(i0, cyl_bessel_i0, cyl_bessel_i0f)
OPS_UNARY(i1, cyl_bessel_i1, cyl_bessel_i1f)
OPS_BINARY(atan2, atan2, atan2f)
OPS_BINARY(pow, pow, powf)
OPS_BINARY(hypot, hypot, hypotf)
OPS_BINARY(copysign, copysign, copysignf)
OPS_BINARY(fmod, fmod, fmodf)
OPS_BINARY(nextafter, nextafter, nextafterf)
OPS_BINARY(fmax, fmax, fmaxf)
OPS_BINARY(fmin, fmin, fminf)

/* Functions of both float types made of those above. */
#define OPS_REAL(T, C)                                                                             \
    OPS_INLINE int ops_isnan_##T(C x) { return x != x; }                                           \
    OPS_INLINE int ops_isinf_##T(C x) { return ops_abs_##T(x) == (C)INFINITY; }                    \
    OPS_INLINE int ops_isfinite_##T(C x) { return ops_abs_##T(x) < (C)INFINITY; }                  \
    OPS_INLINE C ops_sign_##T(C x) { return x != x ? x : (C)((x > 0) - (x < 0)); }                 \
    OPS_INLINE C ops_maximum_##T(C x, C y) { return x != x || x > y ? x : y; }                     \
    OPS_INLINE C ops_minimum_##T(C x, C y) { return x != x || x < y ? x : y; }                     \
    OPS_INLINE C ops_div_trunc_##T(C x, C y) { return ops_trunc_##T(x / y); }                      \
    OPS_INLINE C ops_sigmoid_##T(C x)                                                              \
    {                                                                                              \
        const C e = ops_exp_##T(-ops_abs_##T(x)); /* never overflows */                            \
        return x >= 0 ? 1 / (1 + e) : x != x ? x : e / (1 + e);                                    \
    }                                                                                              \
    OPS_INLINE C ops_remainder_##T(C x, C y)                                                       \
    {                                                                                              \
        const C r = ops_fmod_##T(x, y);                                                            \
        return r != 0 && (r < 0) != (y < 0) ? r + y : r;                                           \
    }                                                                                              \
    OPS_INLINE C ops_floor_divide_##T(C x, C y)                                                    \
    {                                                                                              \
        if (y == 0) {                                                                              \
            return x / y;                                                                          \
        }                                                                                          \
        const C r = ops_fmod_##T(x, y);                                                            \
        C q = (x - r) / y;                                                                         \
        q = r != 0 && (r < 0) != (y < 0) ? q - 1 : q;                                              \
        const C whole = ops_floor_##T(q);                                                          \
        return q == 0 ? ops_copysign_##T((C)0, x / y) : q - whole > (C)0.5 ? whole + 1 : whole;    \
    }

OPS_REAL(f64, double)
OPS_REAL(f32, float)

/* digamma and trigamma: reflection, recurrence up to 10, asymptotic series. */
static __device__ __noinline__ double ops_digamma_f64(double x)
{
    if (x == 0) {
        return ops_copysign_f64(INFINITY, -x);
    }
    double reflected = 0;
    if (x < 0) {
        if (x == floor(x)) {
            return NAN;
        }
        reflected = -3.141592653589793 / tan(3.141592653589793 * (x - floor(x)));
        x = 1 - x;
    }
    double sum = 0;
    for (; x < 10; x += 1) {
        sum -= 1 / x;
    }
    const double z = 1 / (x * x);
    double p = 8.33333333333333333333e-2;
    p = fma(p, z, -2.10927960927960927961e-2);
    p = fma(p, z, 7.57575757575757575758e-3);
    p = fma(p, z, -4.16666666666666666667e-3);
    p = fma(p, z, 3.96825396825396825397e-3);
    p = fma(p, z, -8.33333333333333333333e-3);
    p = fma(p, z, 8.33333333333333333333e-2);
    return sum + log(x) - 0.5 / x - p * z + reflected;
}

static __device__ __noinline__ double ops_trigamma_f64(double x)
{
    double sum = 0, sign = 1;
    if (x < 0.5) {
        if (x == floor(x)) {
            return INFINITY;
        }
        const double s = sinpi(x);
        sum = -3.141592653589793 * 3.141592653589793 / (s * s);
        sign = -1;
        x = 1 - x;
    }
    for (; x < 10; x += 1) {
        sum += 1 / (x * x);
    }
    const double z = 1 / (x * x);
    double p = 7.0 / 6;
    p = fma(p, z, -691.0 / 2730);
    p = fma(p, z, 5.0 / 66);
    p = fma(p, z, -1.0 / 30);
    p = fma(p, z, 1.0 / 42);
    p = fma(p, z, -1.0 / 30);
    p = fma(p, z, 1.0 / 6);
    return sign * (sum + 1 / x + 0.5 * z + p * z / x);
}

OPS_INLINE float ops_digamma_f32(float x) { return (float)ops_digamma_f64((double)x); }
OPS_INLINE float ops_trigamma_f32(float x) { return (float)ops_trigamma_f64((double)x); }

/* Integers: overflow wraps, as on the CPU; a division by zero gives 0 instead of a trap. */
#define OPS_INTEGER(T, C, U, BITS)                                                                 \
    OPS_INLINE C ops_negated_##T(C a) { return (C)(0 - (U)a); }                                    \
    OPS_INLINE C ops_div_trunc_##T(C a, C b)                                                       \
    {                                                                                              \
        return b == 0 ? 0 : b == -1 ? ops_negated_##T(a) : a / b;                                  \
    }                                                                                              \
    OPS_INLINE C ops_fmod_##T(C a, C b) { return b == 0 || b == -1 ? 0 : a % b; }                  \
    OPS_INLINE C ops_remainder_##T(C a, C b)                                                       \
    {                                                                                              \
        const C r = ops_fmod_##T(a, b);                                                            \
        return r != 0 && (r < 0) != (b < 0) ? r + b : r;                                           \
    }                                                                                              \
    OPS_INLINE C ops_floor_divide_##T(C a, C b)                                                    \
    {                                                                                              \
        const C q = ops_div_trunc_##T(a, b), r = ops_fmod_##T(a, b);                               \
        return q - (r != 0 && (r < 0) != (b < 0));                                                 \
    }                                                                                              \
    OPS_INLINE C ops_abs_##T(C a) { return a < 0 ? ops_negated_##T(a) : a; }                       \
    OPS_INLINE C ops_sign_##T(C a) { return (a > 0) - (a < 0); }                                   \
    OPS_INLINE C ops_maximum_##T(C a, C b) { return a > b ? a : b; }                               \
    OPS_INLINE C ops_minimum_##T(C a, C b) { return a < b ? a : b; }                               \
    OPS_INLINE int ops_isnan_##T(C) { return 0; }                                                  \
    OPS_INLINE int ops_isinf_##T(C) { return 0; }                                                  \
    OPS_INLINE int ops_isfinite_##T(C) { return 1; }                                               \
    OPS_INLINE C ops_shift_left_##T(C a, C k)                                                      \
    {                                                                                              \
        return k < 0 || k >= BITS ? 0 : (C)((U)a << k);                                            \
    }                                                                                              \
    OPS_INLINE C ops_shift_right_##T(C a, C k) { return a >> (k < 0 || k >= BITS ? BITS - 1 : k); } \
    OPS_INLINE C ops_pow_##T(C base, C exponent)                                                   \
    {                                                                                              \
        if (exponent < 0) {                                                                        \
            return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;                       \
        }                                                                                          \
        U result = 1, power = (U)base;                                                             \
        for (; exponent; exponent >>= 1, power *= power) {                                         \
            result *= exponent & 1 ? power : 1;                                                    \
        }                                                                                          \
        return (C)result;                                                                          \
    }                                                                                              \
    OPS_INLINE C ops_gcd_##T(C a, C b)                                                             \
    {                                                                                              \
        U x = (U)ops_abs_##T(a), y = (U)ops_abs_##T(b);                                            \
        while (y != 0) {                                                                           \
            const U rest = x % y;                                                                  \
            x = y;                                                                                 \
            y = rest;                                                                              \
        }                                                                                          \
        return (C)x;                                                                               \
    }                                                                                              \
    OPS_INLINE C ops_lcm_##T(C a, C b)                                                             \
    {                                                                                              \
        const C g = ops_gcd_##T(a, b);                                                             \
        return g == 0 ? 0 : ops_abs_##T((C)((U)(a / g) * (U)b));                                   \
    }

OPS_INTEGER(i64, int64_t, uint64_t, 64)
OPS_INTEGER(i32, int32_t, uint32_t, 32)

#undef OPS_UNARY
#undef OPS_BINARY
#undef OPS_REAL
#undef OPS_INTEGER

#define OPS_SPECIAL static __device__ __noinline__
#include "opsmith/special.h"
#include "opsmith/random.h"

#endif
