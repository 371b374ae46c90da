/* opsmith/math/logarithm.h: log, log2, log10 and log1p. */
#ifndef OPSMITH_MATH_LOGARITHM_H
#define OPSMITH_MATH_LOGARITHM_H

#include "opsmith/math/base.h"

/* ---- f32 ------------------------------------------------------------------------------------- */

/* log(1 + f) for f in [-1/3, 1/3] (Juffa's polynomial, two interleaved chains). */
OPS_INLINE float ops_log1p_reduced_f32(float f)
{
    float s = f * f;
    float r = -0.130310059f;
    float t = 0.140869141f;
    r = ops_fma_f32(r, s, -0.121483512f);
    t = ops_fma_f32(t, s, 0.139814854f);
    r = ops_fma_f32(r, s, -0.166846126f);
    t = ops_fma_f32(t, s, 0.200120345f);
    r = ops_fma_f32(r, s, -0.249996200f);
    r = ops_fma_f32(t, f, r);
    r = ops_fma_f32(r, f, 0.333331972f);
    r = ops_fma_f32(r, f, -0.5f);
    return ops_fma_f32(r, s, f);
}

/* x = 2^exponent * (1 + f), f in [-1/3, 1/3], for positive finite x. */
OPS_INLINE float ops_split_exponent_f32(float x, float *exponent)
{
    int denormal = x < 1.17549435e-38f;
    int32_t bits = ops_bits_f32(denormal ? x * 8388608.0f : x);
    int32_t power = (bits - 0x3f2aaaab) & (int32_t)0xff800000; /* 0x3f2aaaab is 2/3 */
    *exponent = ops_fma_f32((float)power, 1.19209290e-7f, denormal ? -23.0f : 0.0f);
    return ops_from_bits_f32(bits - power) - 1.0f;
}

/* The values of any logarithm of x where the polynomial does not hold. */
OPS_INLINE float ops_log_special_f32(float x, float result)
{
    result = x < OPS_INF_F32 ? result : x; /* +inf and NaN */
    result = x < 0 ? OPS_NAN_F32 : result;
    return x == 0 ? -OPS_INF_F32 : result;
}

OPS_INLINE float ops_log_f32(float x)
{
    float exponent;
    float r = ops_log1p_reduced_f32(ops_split_exponent_f32(x, &exponent));
    return ops_log_special_f32(x, ops_fma_f32(exponent, 0.693147182f, r));
}

OPS_INLINE float ops_log2_f32(float x)
{
    float exponent;
    float r = ops_log1p_reduced_f32(ops_split_exponent_f32(x, &exponent));
    float low = ops_fma_f32(r, 1.92596303e-8f, exponent);
    return ops_log_special_f32(x, ops_fma_f32(r, 1.44269502f, low));
}

OPS_INLINE float ops_log10_f32(float x)
{
    float exponent;
    float r = ops_log1p_reduced_f32(ops_split_exponent_f32(x, &exponent));
    float low = ops_fma_f32(r, -1.010305e-08f, exponent * 4.60503787e-6f);
    low = ops_fma_f32(r, 0.434294492f, low);
    return ops_log_special_f32(x, ops_fma_f32(exponent, 0.301025391f, low));
}

/* The exponent is that of 1 + x, but f comes from x itself: nothing is lost for small x. */
OPS_INLINE float ops_log1p_f32(float x)
{
    int32_t power = (ops_bits_f32(1.0f + x) - 0x3f2aaaab) & (int32_t)0xff800000;
    float quarter_scale = ops_from_bits_f32(ops_bits_f32(4.0f) - power); /* 4 * 2^-exponent */
    float f = ops_fma_f32(0.25f, quarter_scale, -1.0f) + ops_from_bits_f32(ops_bits_f32(x) - power);
    float r = ops_log1p_reduced_f32(f);
    r = ops_fma_f32((float)power * 1.19209290e-7f, 0.693147182f, r);
    r = x < OPS_INF_F32 ? r : x;
    r = x > -1.0f ? r : OPS_NAN_F32;
    r = x == -1.0f ? -OPS_INF_F32 : r;
    return x == 0 ? x : r;
}

/* ---- f64 ------------------------------------------------------------------------------------- */

/* x = 2^exponent * (1 + f), 1 + f in [sqrt(1/2), sqrt(2)], for positive finite x. */
OPS_INLINE double ops_split_exponent_f64(double x, double *exponent)
{
    int denormal = x < 2.2250738585072014e-308;
    int64_t bits = ops_bits_f64(denormal ? x * 18014398509481984.0 : x);
    int64_t power = (bits - 0x3fe6a09e667f3bcd) & (int64_t)0xfff0000000000000; /* sqrt(1/2) */
    int32_t high = (int32_t)((uint64_t)power >> 32); /* 64-bit to double exists in AVX-512 only */
    *exponent = (double)(high >> 20) + (denormal ? -54.0 : 0.0);
    return ops_from_bits_f64(bits - power) - 1.0;
}

/*
 * log(1 + f) = f - (half_square - tail) with half_square = f^2 / 2 and tail returned; by the series
 * of atanh(s), s = f / (2 + f).
 */
OPS_INLINE double ops_log1p_tail_f64(double f, double half_square)
{
    double s = f / (2.0 + f);
    double z = s * s;
    double p = 0.14673521329511308;
    p = ops_fma_f64(p, z, 0.15326996988156263);
    p = ops_fma_f64(p, z, 0.1818303466401332);
    p = ops_fma_f64(p, z, 0.2222220908770053);
    p = ops_fma_f64(p, z, 0.28571428638841456);
    p = ops_fma_f64(p, z, 0.39999999999870356);
    p = ops_fma_f64(p, z, 0.6666666666666671);
    return s * ops_fma_f64(p, z, half_square);
}

OPS_INLINE double ops_log_special_f64(double x, double result)
{
    result = x < OPS_INF_F64 ? result : x; /* +inf and NaN */
    result = x < 0 ? OPS_NAN_F64 : result;
    return x == 0 ? -OPS_INF_F64 : result;
}

/* exponent * ln(2) + log(1 + f), ln(2) in two parts, the first exact times any exponent. */
OPS_INLINE double ops_log_join_f64(double f, double exponent)
{
    double half_square = 0.5 * f * f;
    double tail = ops_log1p_tail_f64(f, half_square);
    double low = ops_fma_f64(exponent, 1.90821492927058770002e-10, tail);
    return ops_fma_f64(exponent, 6.93147180369123816490e-01, f - (half_square - low));
}

OPS_INLINE double ops_log_f64(double x)
{
    double exponent;
    double f = ops_split_exponent_f64(x, &exponent);
    return ops_log_special_f64(x, ops_log_join_f64(f, exponent));
}

/* log(1 + f) in two parts, the first with 32 bits or fewer so that a 21-bit factor is exact. */
OPS_INLINE double ops_log1p_parts_f64(double f, double *low)
{
    double half_square = 0.5 * f * f;
    double tail = ops_log1p_tail_f64(f, half_square);
    double high = ops_from_bits_f64(ops_bits_f64(f - half_square) & (int64_t)0xffffffff00000000);
    *low = ((f - high) - half_square) + tail;
    return high;
}

OPS_INLINE double ops_log2_f64(double x)
{
    double exponent, low;
    double high = ops_log1p_parts_f64(ops_split_exponent_f64(x, &exponent), &low);
    double main = high * 1.44269504072144627571e+00;
    double rest = (low + high) * 1.67517131648865118353e-10 + low * 1.44269504072144627571e+00;
    double sum = exponent + main;
    rest += (exponent - sum) + main;
    return ops_log_special_f64(x, sum + rest);
}

OPS_INLINE double ops_log10_f64(double x)
{
    double exponent, low;
    double high = ops_log1p_parts_f64(ops_split_exponent_f64(x, &exponent), &low);
    double main = high * 4.34294481878168880939e-01;
    double power = exponent * 3.01029995663611771306e-01;
    double rest = (low + high) * 2.50829467116452752298e-11 + low * 4.34294481878168880939e-01;
    rest += exponent * 3.69423907715893078616e-13;
    double sum = power + main;
    rest += (power - sum) + main;
    return ops_log_special_f64(x, sum + rest);
}

/* The exponent is that of 1 + x, but f comes from x itself: nothing is lost for small x. */
OPS_INLINE double ops_log1p_f64(double x)
{
    int64_t power = (ops_bits_f64(1.0 + x) - 0x3fe6a09e667f3bcd) & (int64_t)0xfff0000000000000;
    int32_t high = (int32_t)((uint64_t)power >> 32);
    double quarter_scale = ops_from_bits_f64(ops_bits_f64(4.0) - power); /* 4 * 2^-exponent */
    double f = ops_fma_f64(0.25, quarter_scale, -1.0) + ops_from_bits_f64(ops_bits_f64(x) - power);
    double r = ops_log_join_f64(f, (double)(high >> 20));
    r = x < OPS_INF_F64 ? r : x;
    r = x > -1.0 ? r : OPS_NAN_F64;
    r = x == -1.0 ? -OPS_INF_F64 : r;
    return x == 0 ? x : r;
}

#endif
