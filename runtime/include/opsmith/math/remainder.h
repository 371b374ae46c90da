/* opsmith/math/remainder.h: fmod, remainder and floor division of floats. */
#ifndef OPSMITH_MATH_REMAINDER_H
#define OPSMITH_MATH_REMAINDER_H

#include "opsmith/math/base.h"

#ifdef __FP_FAST_FMA
/* r - rint(r / y) y, exact: the quotient has 53 bits, y 24, and what is left fits in 26. */
OPS_INLINE double ops_fmod_step(double r, double y, double inverse)
{
    return __builtin_fma(-__builtin_rint(r * inverse), y, r);
}

/* Each step takes 52 bits off the quotient, which has at most 277. */
OPS_INLINE float ops_fmod_f32(float x, float y)
{
    double divisor = __builtin_fabsf(y), r = __builtin_fabsf(x);
    double inverse = 1.0 / divisor;
    r = ops_fmod_step(r, divisor, inverse);
    r = ops_fmod_step(r, divisor, inverse);
    r = ops_fmod_step(r, divisor, inverse);
    r = ops_fmod_step(r, divisor, inverse);
    r = ops_fmod_step(r, divisor, inverse);
    r = ops_fmod_step(r, divisor, inverse);
    r = r < 0 ? r + divisor : r;
    r = r >= divisor ? r - divisor : r;
    r = ((divisor == OPS_INF_F64) & (__builtin_fabsf(x) < OPS_INF_F32)) ? __builtin_fabsf(x) : r;
    return __builtin_copysignf((float)r, x);
}
#else
OPS_INLINE float ops_fmod_f32(float x, float y)
{
    return fmodf(x, y);
}
#endif

/* Scalar only: the quotient of two doubles may have 2098 bits, for which libm has the loop. */
static inline double ops_fmod_f64(double x, double y)
{
#ifdef __FP_FAST_FMA
    double a = __builtin_fabs(x), divisor = __builtin_fabs(y);
    double quotient = a / divisor;
    if (__builtin_expect(quotient < 0x1p50, 1) && divisor < OPS_INF_F64) {
        double r = __builtin_fma(-__builtin_rint(quotient), divisor, a); /* exact */
        return __builtin_copysign(r < 0 ? r + divisor : r, x);
    }
#endif
    return fmod(x, y);
}

/* The sign of y, as Python's %. */
OPS_INLINE float ops_remainder_f32(float x, float y)
{
    float r = ops_fmod_f32(x, y);
    return ((r != 0) & ((r < 0) != (y < 0))) ? r + y : r;
}

/* Python's //: floor of the exact quotient, found from fmod as CPython and torch do. */
OPS_INLINE float ops_floor_divide_f32(float x, float y)
{
    float r = ops_fmod_f32(x, y);
    float quotient = (x - r) / y;
    quotient = ((r != 0) & ((r < 0) != (y < 0))) ? quotient - 1.0f : quotient;
    float whole = __builtin_floorf(quotient);
    whole = quotient - whole > 0.5f ? whole + 1.0f : whole;
    float zero = __builtin_copysignf(0.0f, x / y);
    float result = quotient != 0 ? whole : zero;
    return y == 0 ? x / y : result;
}

/* The sign of y, as Python's %. */
OPS_INLINE double ops_remainder_f64(double x, double y)
{
    double r = ops_fmod_f64(x, y);
    return ((r != 0) & ((r < 0) != (y < 0))) ? r + y : r;
}

/* Python's //: floor of the exact quotient, found from fmod as CPython and torch do. */
OPS_INLINE double ops_floor_divide_f64(double x, double y)
{
    double r = ops_fmod_f64(x, y);
    double quotient = (x - r) / y;
    quotient = ((r != 0) & ((r < 0) != (y < 0))) ? quotient - 1.0 : quotient;
    double whole = __builtin_floor(quotient);
    whole = quotient - whole > 0.5 ? whole + 1.0 : whole;
    double zero = __builtin_copysign(0.0, x / y);
    double result = quotient != 0 ? whole : zero;
    return y == 0 ? x / y : result;
}

#endif
