/* opsmith/math/power.h: pow and hypot. */
#ifndef OPSMITH_MATH_POWER_H
#define OPSMITH_MATH_POWER_H

#include "opsmith/math/base.h"
#include "opsmith/math/exponential.h"
#include "opsmith/math/logarithm.h"

/* ---- power ----------------------------------------------------------------------------------- */

/* x^y where |x|^y = result and either needs care, by C11 annex F. */
OPS_INLINE float ops_pow_special_f32(float x, float y, float result)
{
    float a = __builtin_fabsf(x);
    int integer = __builtin_truncf(y) == y;
    int odd = integer & (__builtin_truncf(0.5f * y) != 0.5f * y);
    int growing = (a > 1) == (y > 0); /* of |x|^y as |y| grows */
    result = ((a == 0) | (a == OPS_INF_F32)) ? ((a == 0) == (y < 0) ? OPS_INF_F32 : 0.0f) : result;
    result = __builtin_fabsf(y) == OPS_INF_F32 ? (growing ? OPS_INF_F32 : 0.0f) : result;
    result = ((a == 1) & (integer | (x > 0))) ? 1.0f : result;
    result = (odd & (__builtin_copysignf(1.0f, x) < 0)) ? -result : result;
    result = ((x < 0) & (a < OPS_INF_F32) & !integer) ? OPS_NAN_F32 : result;
    result = ((x != x) | (y != y)) ? x + y : result;
    return ((y == 0) | (x == 1)) ? 1.0f : result;
}

/* x^y where |x|^y = result and either needs care, by C11 annex F. */
OPS_INLINE double ops_pow_special_f64(double x, double y, double result)
{
    double a = __builtin_fabs(x);
    int integer = __builtin_trunc(y) == y;
    int odd = integer & (__builtin_trunc(0.5 * y) != 0.5 * y);
    int growing = (a > 1) == (y > 0); /* of |x|^y as |y| grows */
    result = ((a == 0) | (a == OPS_INF_F64)) ? ((a == 0) == (y < 0) ? OPS_INF_F64 : 0.0) : result;
    result = __builtin_fabs(y) == OPS_INF_F64 ? (growing ? OPS_INF_F64 : 0.0) : result;
    result = ((a == 1) & (integer | (x > 0))) ? 1.0 : result;
    result = (odd & (__builtin_copysign(1.0, x) < 0)) ? -result : result;
    result = ((x < 0) & (a < OPS_INF_F64) & !integer) ? OPS_NAN_F64 : result;
    result = ((x != x) | (y != y)) ? x + y : result;
    return ((y == 0) | (x == 1)) ? 1.0 : result;
}

/* 2^(y log2(|x|)) in double: 53 bits of the exponent leave 45 bits of the result. */
OPS_INLINE float ops_pow_f32(float x, float y)
{
    double a = __builtin_fabsf(x);
    int64_t bits = ops_bits_f64(a);
    int64_t power = (bits - 0x3fe6a09e667f3bcd) & (int64_t)0xfff0000000000000;
    int32_t high = (int32_t)((uint64_t)power >> 32);
    double m = ops_from_bits_f64(bits - power);
    double f = (m - 1.0) / (m + 1.0), s = f * f;
    double p = 0.26230825893252880; /* 2 / ln(2) atanh(f) / f */
    p = ops_fma_f64(p, s, 0.32059889797532520);
    p = ops_fma_f64(p, s, 0.41219858311113240);
    p = ops_fma_f64(p, s, 0.57707801635558540);
    p = ops_fma_f64(p, s, 0.96179669392597560);
    p = ops_fma_f64(p, s, 2.8853900817779268);
    double w = ops_fma_f64(p, f, (double)(high >> 20)) * (double)y;
    w = w > 200.0 ? 200.0 : w;
    w = w < -200.0 ? -200.0 : w;
    double rounded = w + (OPS_ROUND_F64 + 1023.0);
    double r = w - (rounded - (OPS_ROUND_F64 + 1023.0));
    double g = 1.5252733804059840e-5; /* 2^r */
    g = ops_fma_f64(g, r, 1.5403530393381608e-4);
    g = ops_fma_f64(g, r, 1.3333558146428443e-3);
    g = ops_fma_f64(g, r, 9.6181291076284772e-3);
    g = ops_fma_f64(g, r, 5.5504108664821580e-2);
    g = ops_fma_f64(g, r, 0.24022650695910072);
    g = ops_fma_f64(g, r, 0.69314718055994531);
    g = ops_fma_f64(g, r, 1.0);
    return ops_pow_special_f32(x, y, (float)(g * ops_from_bits_f64(ops_bits_f64(rounded) << 52)));
}

/*
 * log2(a) = high + low with an error below 2^-65 of it, for positive finite a: the atanh series
 * with the quotient, the square and the first two terms carried in two doubles each.
 */
OPS_INLINE double ops_log2_parts_f64(double a, double *low)
{
    double exponent;
    double f = ops_split_exponent_f64(a, &exponent);
    double d = f + 2.0;
    double d_low = f - (d - 2.0);
    double inverse = 1.0 / d;
    double s = f * inverse;
    double s_product = s * d;
    double s_rest = (f - s_product) - ops_mul_error_f64(s, d, s_product);
    double s_low = (s_rest - s * d_low) * inverse;

    double z = s * s;
    double z_low = ops_mul_error_f64(s, s, z) + 2.0 * s * s_low;
    double p = 0.10930172111940954;
    p = ops_fma_f64(p, z, 0.1179039546456327);
    p = ops_fma_f64(p, z, 0.13331291444437782);
    p = ops_fma_f64(p, z, 0.15384667809924582);
    p = ops_fma_f64(p, z, 0.18181817558216087);
    p = ops_fma_f64(p, z, 0.2222222222561705);
    p = ops_fma_f64(p, z, 0.2857142857142176);
    p = ops_fma_f64(p, z, 0.4);
    double t = p * z;
    double c = 0.6666666666666666 + t; /* 2/3 + ..., low part of 2/3 below */
    double c_low = ((0.6666666666666666 - c) + t) + 3.700743415417188e-17;
    double u = z * c;
    double u_low = ops_mul_error_f64(z, c, u) + (z * c_low + z_low * c);
    double w = 2.0 + u;
    double w_low = ((2.0 - w) + u) + u_low;
    double ln = s * w; /* log(1 + f) */
    double ln_low = ops_mul_error_f64(s, w, ln) + (s * w_low + s_low * w);

    double main = ln * 1.4426950408889634;
    double main_low = ops_mul_error_f64(ln, 1.4426950408889634, main) +
                      (ln * 2.0355273740931033e-17 + ln_low * 1.4426950408889634);
    double sum = exponent + main;
    *low = ((exponent - sum) + main) + main_low;
    return sum;
}

OPS_INLINE double ops_pow_f64(double x, double y)
{
    double log_low;
    double log_high = ops_log2_parts_f64(__builtin_fabs(x), &log_low);
    double w = y * log_high;
    double w_low = ops_mul_error_f64(y, log_high, w) + y * log_low;
    int inside = __builtin_fabs(w) < 1100.0;
    w_low = inside ? w_low : 0.0;
    w = w > 1100.0 ? 1100.0 : w;
    w = w < -1100.0 ? -1100.0 : w;
    double rounded = w + (OPS_ROUND_F64 + 2046.0);
    double r = (w - (rounded - (OPS_ROUND_F64 + 2046.0))) + w_low;
    double p = ops_fma_f64(r, ops_exp2_tail_f64(r), 1.0);
    double result = ops_scale_f64(p, ops_bits_f64(rounded));
    return ops_pow_special_f64(x, y, result);
}

/* ---- hypot ----------------------------------------------------------------------------------- */

OPS_INLINE float ops_hypot_f32(float x, float y)
{
    double a = x, b = y;
    float value = (float)__builtin_sqrt(a * a + b * b);
    int infinite = (__builtin_fabsf(x) == OPS_INF_F32) | (__builtin_fabsf(y) == OPS_INF_F32);
    return infinite ? OPS_INF_F32 : value; /* even beside a NaN */
}

/* Scaled by a power of two that brings the larger one near 1. */
OPS_INLINE double ops_hypot_f64(double x, double y)
{
    double a = __builtin_fabs(x), b = __builtin_fabs(y);
    double larger = a > b ? a : b;
    int64_t exponent = ops_bits_f64(larger) & 0x7ff0000000000000;
    int64_t least = 0x0010000000000000, most = 0x7fd0000000000000;
    exponent = exponent < least ? least : exponent;
    exponent = exponent > most ? most : exponent;
    double scale = ops_from_bits_f64(0x7fe0000000000000 - exponent);
    double back = ops_from_bits_f64(exponent);
    double u = a * scale, v = b * scale;
    double value = __builtin_sqrt(ops_fma_f64(u, u, v * v)) * back;
    value = ((x != x) | (y != y)) ? x + y : value;
    return ((a == OPS_INF_F64) | (b == OPS_INF_F64)) ? OPS_INF_F64 : value; /* even beside a NaN */
}

#endif
