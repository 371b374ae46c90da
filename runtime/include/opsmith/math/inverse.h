/* opsmith/math/inverse.h: inverse trigonometric and hyperbolic functions. */
#ifndef OPSMITH_MATH_INVERSE_H
#define OPSMITH_MATH_INVERSE_H

#include "opsmith/math/base.h"
#include "opsmith/math/logarithm.h"

/* ---- f32 ------------------------------------------------------------------------------------- */

/* (asin(s) - s) / s^3 as a function of z = s^2 <= 1/4. */
OPS_INLINE float ops_asin_tail_f32(float z)
{
    float p = 0.0421608239f;
    p = ops_fma_f32(p, z, 0.0241889358f);
    p = ops_fma_f32(p, z, 0.0454668216f);
    p = ops_fma_f32(p, z, 0.0749534443f);
    p = ops_fma_f32(p, z, 0.166667506f);
    return p;
}

/* (atan(t) - t) / t^3 as a function of z = t^2 <= (sqrt(2) - 1)^2. */
OPS_INLINE float ops_atan_tail_f32(float z)
{
    float p = -0.0607824624f;
    p = ops_fma_f32(p, z, 0.105953149f);
    p = ops_fma_f32(p, z, -0.142440006f);
    p = ops_fma_f32(p, z, 0.199985161f);
    p = ops_fma_f32(p, z, -0.333333164f);
    return p;
}

/* asin(s) for s = sqrt(z) gives the outer half: asin(x) = pi/2 - 2 asin(sqrt((1 - |x|) / 2)). */
OPS_INLINE float ops_asin_f32(float x)
{
    float a = __builtin_fabsf(x);
    int outer = a > 0.5f;
    float z = outer ? ops_fma_f32(a, -0.5f, 0.5f) : x * x;
    float s = outer ? __builtin_sqrtf(z) : a; /* NaN beyond 1 */
    float value = ops_fma_f32(ops_asin_tail_f32(z) * z, s, s);
    value = outer ? 1.57079637f - (value + value - -4.37113883e-8f) : value;
    return __builtin_copysignf(value, x);
}

OPS_INLINE float ops_acos_f32(float x)
{
    float a = __builtin_fabsf(x);
    int outer = a > 0.5f;
    float z = outer ? ops_fma_f32(a, -0.5f, 0.5f) : x * x;
    float s = outer ? __builtin_sqrtf(z) : x;
    float tail = ops_asin_tail_f32(z) * z * s;
    float inner = 1.57079637f - (s - (-4.37113883e-8f - tail));
    float right = 2.0f * (s + tail);
    float left = 2.0f * (1.57079637f - (s + (tail - -4.37113883e-8f)));
    float folded = x < 0 ? left : right;
    return outer ? folded : inner;
}

/*
 * atan(y / x) for y, x >= 0. The quotient is turned by -pi/4 or -pi/2 into
 * |t| <= sqrt(2) - 1 before the one division.
 */
OPS_INLINE float ops_atan_quotient_f32(float y, float x)
{
    int low = y <= 0.4142135623730950f * x;
    int high = y > 2.414213562373095f * x;
    float num = low ? y : high ? -x : y - x;
    float den = low ? x : high ? y : y + x;
    float base = low ? 0.0f : high ? 1.57079637f : 0.5f * 1.57079637f;
    float base_low = low ? 0.0f : high ? -4.37113883e-8f : 0.5f * -4.37113883e-8f;
    float t = num / den;
    float z = t * t;
    return base + (ops_fma_f32(ops_atan_tail_f32(z) * z, t, base_low) + t);
}

OPS_INLINE float ops_atan_f32(float x)
{
    float a = __builtin_fabsf(x);
    a = a > 1e30f ? 1e30f : a; /* infinity / infinity would be NaN */
    return __builtin_copysignf(ops_atan_quotient_f32(a, 1.0f), x);
}

/* Both arguments may be zero, infinite or so large that their sum overflows. */
OPS_INLINE float ops_atan2_f32(float y, float x)
{
    float a = __builtin_fabsf(y), b = __builtin_fabsf(x);
    float larger = a > b ? a : b;
    float scale = larger > 1e37f ? 0.25f : 1.0f;
    float value = ops_atan_quotient_f32(a * scale, b * scale);
    value = larger == 0 ? 0.0f : value;
    value = ((a == OPS_INF_F32) & (b == OPS_INF_F32)) ? 0.5f * 1.57079637f : value;
    float left = 2.0f * 1.57079637f - (value - 2.0f * -4.37113883e-8f);
    value = ops_bits_f32(x) < 0 ? left : value; /* -0 too */
    value = __builtin_copysignf(value, y);
    return ((x != x) | (y != y)) ? x + y : value;
}

OPS_INLINE float ops_asinh_f32(float x)
{
    float a = __builtin_fabsf(x);
    int large = a > 1e8f; /* asinh(x) = log(2 x) there, and log1p(x) = log(x) */
    float square = a * a;
    float inner = a + square / (1.0f + __builtin_sqrtf(square + 1.0f));
    float value = ops_log1p_f32(large ? a : inner) + (large ? 0.693147182f : 0.0f);
    return __builtin_copysignf(value, x);
}

OPS_INLINE float ops_acosh_f32(float x)
{
    int large = x > 1e8f;
    float t = x - 1.0f; /* NaN below 1: the square root of a negative number */
    float inner = t + __builtin_sqrtf(t * (t + 2.0f));
    float value = ops_log1p_f32(large ? x : inner) + (large ? 0.693147182f : 0.0f);
    return x < 1.0f ? OPS_NAN_F32 : value;
}

OPS_INLINE float ops_atanh_f32(float x)
{
    float a = __builtin_fabsf(x);
    float value = 0.5f * ops_log1p_f32((a + a) / (1.0f - a));
    return a < 1e-10f ? x : __builtin_copysignf(value, x);
}

/* ---- f64 ------------------------------------------------------------------------------------- */

/* (asin(s) - s) / s^3 as a function of z = s^2 <= 1/4. */
OPS_INLINE double ops_asin_tail_f64(double z)
{
    double p = 0.03182540613652087;
    p = ops_fma_f64(p, z, -0.016080953314078123);
    p = ops_fma_f64(p, z, 0.01942487936232778);
    p = ops_fma_f64(p, z, 0.0065708483075328904);
    p = ops_fma_f64(p, z, 0.012157918051625664);
    p = ops_fma_f64(p, z, 0.013887206396729492);
    p = ops_fma_f64(p, z, 0.01735947419882298);
    p = ops_fma_f64(p, z, 0.022371775934314875);
    p = ops_fma_f64(p, z, 0.030381958248560166);
    p = ops_fma_f64(p, z, 0.04464285685470494);
    p = ops_fma_f64(p, z, 0.07500000000296153);
    p = ops_fma_f64(p, z, 0.16666666666665647);
    return p;
}

/* (atan(t) - t) / t^3 as a function of z = t^2 <= (sqrt(2) - 1)^2. */
OPS_INLINE double ops_atan_tail_f64(double z)
{
    double p = -0.017832813256520107;
    p = ops_fma_f64(p, z, 0.03800417004386932);
    p = ops_fma_f64(p, z, -0.05037267272165497);
    p = ops_fma_f64(p, z, 0.05847524285267918);
    p = ops_fma_f64(p, z, -0.06663067942722457);
    p = ops_fma_f64(p, z, 0.07692058518046391);
    p = ops_fma_f64(p, z, -0.09090897764385958);
    p = ops_fma_f64(p, z, 0.111111107881988);
    p = ops_fma_f64(p, z, -0.14285714280411593);
    p = ops_fma_f64(p, z, 0.19999999999957438);
    p = ops_fma_f64(p, z, -0.3333333333333322);
    return p;
}

/* asin(s) for s = sqrt(z) gives the outer half: asin(x) = pi/2 - 2 asin(sqrt((1 - |x|) / 2)). */
OPS_INLINE double ops_asin_f64(double x)
{
    double a = __builtin_fabs(x);
    int outer = a > 0.5;
    double z = outer ? ops_fma_f64(a, -0.5, 0.5) : x * x;
    double s = outer ? __builtin_sqrt(z) : a; /* NaN beyond 1 */
    double value = ops_fma_f64(ops_asin_tail_f64(z) * z, s, s);
    value = outer ? 1.5707963267948966 - (value + value - 6.123233995736766e-17) : value;
    return __builtin_copysign(value, x);
}

OPS_INLINE double ops_acos_f64(double x)
{
    double a = __builtin_fabs(x);
    int outer = a > 0.5;
    double z = outer ? ops_fma_f64(a, -0.5, 0.5) : x * x;
    double s = outer ? __builtin_sqrt(z) : x;
    double tail = ops_asin_tail_f64(z) * z * s;
    double inner = 1.5707963267948966 - (s - (6.123233995736766e-17 - tail));
    double right = 2.0 * (s + tail);
    double left = 2.0 * (1.5707963267948966 - (s + (tail - 6.123233995736766e-17)));
    double folded = x < 0 ? left : right;
    return outer ? folded : inner;
}

/*
 * atan(y / x) for y, x >= 0. The quotient is turned by -pi/4 or -pi/2 into
 * |t| <= sqrt(2) - 1 before the one division.
 */
OPS_INLINE double ops_atan_quotient_f64(double y, double x)
{
    int low = y <= 0.4142135623730950 * x;
    int high = y > 2.414213562373095 * x;
    double num = low ? y : high ? -x : y - x;
    double den = low ? x : high ? y : y + x;
    double base = low ? 0.0 : high ? 1.5707963267948966 : 0.5 * 1.5707963267948966;
    double base_low = low ? 0.0 : high ? 6.123233995736766e-17 : 0.5 * 6.123233995736766e-17;
    double t = num / den;
    double z = t * t;
    return base + (ops_fma_f64(ops_atan_tail_f64(z) * z, t, base_low) + t);
}

OPS_INLINE double ops_atan_f64(double x)
{
    double a = __builtin_fabs(x);
    a = a > 1e30 ? 1e30 : a; /* infinity / infinity would be NaN */
    return __builtin_copysign(ops_atan_quotient_f64(a, 1.0), x);
}

/* Both arguments may be zero, infinite or so large that their sum overflows. */
OPS_INLINE double ops_atan2_f64(double y, double x)
{
    double a = __builtin_fabs(y), b = __builtin_fabs(x);
    double larger = a > b ? a : b;
    double scale = larger > 1e307 ? 0.25 : 1.0;
    double value = ops_atan_quotient_f64(a * scale, b * scale);
    value = larger == 0 ? 0.0 : value;
    value = ((a == OPS_INF_F64) & (b == OPS_INF_F64)) ? 0.5 * 1.5707963267948966 : value;
    double left = 2.0 * 1.5707963267948966 - (value - 2.0 * 6.123233995736766e-17);
    value = ops_bits_f64(x) < 0 ? left : value; /* -0 too */
    value = __builtin_copysign(value, y);
    return ((x != x) | (y != y)) ? x + y : value;
}

OPS_INLINE double ops_asinh_f64(double x)
{
    double a = __builtin_fabs(x);
    int large = a > 1e17; /* asinh(x) = log(2 x) there, and log1p(x) = log(x) */
    double square = a * a;
    double inner = a + square / (1.0 + __builtin_sqrt(square + 1.0));
    double value = ops_log1p_f64(large ? a : inner) + (large ? 0.6931471805599453 : 0.0);
    return __builtin_copysign(value, x);
}

OPS_INLINE double ops_acosh_f64(double x)
{
    int large = x > 1e17;
    double t = x - 1.0; /* NaN below 1: the square root of a negative number */
    double inner = t + __builtin_sqrt(t * (t + 2.0));
    double value = ops_log1p_f64(large ? x : inner) + (large ? 0.6931471805599453 : 0.0);
    return x < 1.0 ? OPS_NAN_F64 : value;
}

OPS_INLINE double ops_atanh_f64(double x)
{
    double a = __builtin_fabs(x);
    double value = 0.5 * ops_log1p_f64((a + a) / (1.0 - a));
    return a < 1e-20 ? x : __builtin_copysign(value, x);
}

#endif
