/* opsmith/math/exponential.h: exp, expm1 and the hyperbolic and logistic functions made of them. */
#ifndef OPSMITH_MATH_EXPONENTIAL_H
#define OPSMITH_MATH_EXPONENTIAL_H

#include "opsmith/math/base.h"

/* ---- f32 ------------------------------------------------------------------------------------- */

/* (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2. */
OPS_INLINE float ops_expm1_tail_f32(float r)
{
    float p = 0.000199583417f;
    p = ops_fma_f32(p, r, 0.00139341329f);
    p = ops_fma_f32(p, r, 0.00833319221f);
    p = ops_fma_f32(p, r, 0.0416664742f);
    p = ops_fma_f32(p, r, 0.166666672f);
    p = ops_fma_f32(p, r, 0.5f);
    return p;
}

/*
 * p * 2^n, where the low bits of biased are n + 254, for |n| < 250: in two factors, since 2^n alone
 * may overflow or be denormal.
 */
OPS_INLINE float ops_scale_f32(float p, int32_t biased)
{
    int32_t first = (int32_t)((uint32_t)biased >> 1);
    return p * ops_from_bits_f32(first << 23) * ops_from_bits_f32((biased - first) << 23);
}

/*
 * x = n ln(2) + r, |r| <= ln(2) / 2, for |x| below 2^16; the low bits of *biased are n + bias.
 * ln(2) is in two parts, n times the first (15 bits) is exact.
 */
OPS_INLINE float ops_split_ln2_f32(float x, float bias, int32_t *biased)
{
    float rounded = ops_fma_f32(x, 1.44269504088896341f, OPS_ROUND_F32 + bias);
    float n = rounded - (OPS_ROUND_F32 + bias);
    *biased = ops_bits_f32(rounded);
    float r = ops_fma_f32(n, -0.693145752f, x);
    return ops_fma_f32(n, -1.42860677e-6f, r);
}

/* exp(r) for |r| <= ln(2) / 2. */
OPS_INLINE float ops_exp_reduced_f32(float r)
{
    return ops_fma_f32(ops_fma_f32(ops_expm1_tail_f32(r), r, 1.0f), r, 1.0f);
}

/* exp(x) * 2^shift for -105 <= x <= 91; beyond, exp is 0 or infinite: callers clamp. */
OPS_INLINE float ops_exp_shifted_f32(float x, float shift)
{
    int32_t biased;
    float r = ops_split_ln2_f32(x, 254.0f + shift, &biased);
    return ops_scale_f32(ops_exp_reduced_f32(r), biased);
}

OPS_INLINE float ops_exp_f32(float x)
{
    float clamped = x < -105.0f ? -105.0f : x; /* NaN passes */
    return ops_exp_shifted_f32(clamped > 91.0f ? 91.0f : clamped, 0.0f);
}

OPS_INLINE float ops_exp2_f32(float x)
{
    float clamped = x < -152.0f ? -152.0f : x;
    clamped = clamped > 130.0f ? 130.0f : clamped;
    float rounded = clamped + (OPS_ROUND_F32 + 254.0f);
    float r = (clamped - (rounded - (OPS_ROUND_F32 + 254.0f))) * 0.693147181f;
    return ops_scale_f32(ops_exp_reduced_f32(r), ops_bits_f32(rounded));
}

/* expm1(x) / 2 for -105 <= x: not infinite before sinh is, exact to the last bits near zero. */
OPS_INLINE float ops_half_expm1_f32(float x)
{
    int32_t biased;
    float clamped = x > 89.5f ? 89.5f : x; /* n <= 129 */
    float r = ops_split_ln2_f32(clamped, 125.0f, &biased);
    float p = ops_fma_f32(r * r, ops_expm1_tail_f32(r), r);
    float scale = ops_from_bits_f32(biased << 23); /* 2^(n - 2) */
    return 2.0f * ops_fma_f32(scale, p, scale - 0.25f);
}

OPS_INLINE float ops_expm1_f32(float x)
{
    float result = 2.0f * ops_half_expm1_f32(x < -40.0f ? -40.0f : x); /* -1 below */
    return __builtin_fabsf(x) < 1e-10f ? x : result; /* keeps -0 and denormals */
}

/* 1 / (1 + exp(-x)) without overflow on either side: exp is only taken of -|x|. */
OPS_INLINE float ops_sigmoid_f32(float x)
{
    float a = __builtin_fabsf(x);
    float e = ops_exp_shifted_f32(a > 105.0f ? -105.0f : -a, 0.0f);
    return (x < 0 ? e : 1.0f) / (1.0f + e);
}

OPS_INLINE float ops_tanh_f32(float x)
{
    float a = __builtin_fabsf(x);
    a = a > 10.0f ? 10.0f : a; /* tanh(10) rounds to 1 */
    float t = ops_half_expm1_f32(2.0f * a);
    float result = t / (t + 1.0f); /* e / (e + 2) with e = expm1(2 |x|) */
    return a < 1e-10f ? x : __builtin_copysignf(result, x);
}

OPS_INLINE float ops_cosh_f32(float x)
{
    float a = __builtin_fabsf(x);
    float half = ops_exp_shifted_f32(a > 91.0f ? 91.0f : a, -1.0f);
    return half + 0.25f / half;
}

OPS_INLINE float ops_sinh_f32(float x)
{
    float a = __builtin_fabsf(x);
    float t = ops_half_expm1_f32(a);
    float result = t + t / (2.0f * t + 1.0f);
    result = t == OPS_INF_F32 ? t : result;
    return a < 1e-10f ? x : __builtin_copysignf(result, x);
}

/* ---- f64 ------------------------------------------------------------------------------------- */

/* (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2. */
OPS_INLINE double ops_expm1_tail_f64(double r)
{
    double p = 2.510946177215912e-08;
    p = ops_fma_f64(p, r, 2.7622895857398824e-07);
    p = ops_fma_f64(p, r, 2.755724313255897e-06);
    p = ops_fma_f64(p, r, 2.4801514865445097e-05);
    p = ops_fma_f64(p, r, 0.00019841269887039452);
    p = ops_fma_f64(p, r, 0.0013888888921518292);
    p = ops_fma_f64(p, r, 0.00833333333332134);
    p = ops_fma_f64(p, r, 0.04166666666661794);
    p = ops_fma_f64(p, r, 0.16666666666666677);
    p = ops_fma_f64(p, r, 0.5);
    return p;
}

/*
 * p * 2^n, where the low bits of biased are n + 2046, for |n| < 2000: in two factors, since 2^n
 * alone may overflow or be denormal.
 */
OPS_INLINE double ops_scale_f64(double p, int64_t biased)
{
    int64_t first = (int64_t)((uint64_t)biased >> 1);
    return p * ops_from_bits_f64(first << 52) * ops_from_bits_f64((biased - first) << 52);
}

/*
 * x = n ln(2) + r, |r| <= ln(2) / 2, for |x| below 2^20; the low bits of *biased are n + bias.
 * ln(2) is in two parts, n times the first (32 bits) is exact.
 */
OPS_INLINE double ops_split_ln2_f64(double x, double bias, int64_t *biased)
{
    double rounded = ops_fma_f64(x, 1.4426950408889634, OPS_ROUND_F64 + bias);
    double n = rounded - (OPS_ROUND_F64 + bias);
    *biased = ops_bits_f64(rounded);
    double r = ops_fma_f64(n, -6.93147180369123816490e-01, x);
    return ops_fma_f64(n, -1.90821492927058770002e-10, r);
}

/* exp(x) * 2^shift for -747 <= x <= 712; beyond, exp is 0 or infinite: callers clamp. */
OPS_INLINE double ops_exp_shifted_f64(double x, double shift)
{
    int64_t biased;
    double r = ops_split_ln2_f64(x, 2046.0 + shift, &biased);
    double p = ops_fma_f64(ops_fma_f64(ops_expm1_tail_f64(r), r, 1.0), r, 1.0);
    return ops_scale_f64(p, biased);
}

OPS_INLINE double ops_exp_f64(double x)
{
    double clamped = x < -747.0 ? -747.0 : x; /* NaN passes */
    return ops_exp_shifted_f64(clamped > 712.0 ? 712.0 : clamped, 0.0);
}

/* (2^r - 1) / r for |r| <= 1/2. */
OPS_INLINE double ops_exp2_tail_f64(double r)
{
    double p = 4.4958367052756093e-10;
    p = ops_fma_f64(p, r, 7.074966696061047e-09);
    p = ops_fma_f64(p, r, 1.0177794457243049e-07);
    p = ops_fma_f64(p, r, 1.3215428452290386e-06);
    p = ops_fma_f64(p, r, 1.5252734457974137e-05);
    p = ops_fma_f64(p, r, 0.00015403530470565108);
    p = ops_fma_f64(p, r, 0.0013333558145789358);
    p = ops_fma_f64(p, r, 0.009618129107583806);
    p = ops_fma_f64(p, r, 0.05550410866482403);
    p = ops_fma_f64(p, r, 0.24022650695910155);
    p = ops_fma_f64(p, r, 0.6931471805599453);
    return p;
}

OPS_INLINE double ops_exp2_f64(double x)
{
    double clamped = x < -1080.0 ? -1080.0 : x;
    clamped = clamped > 1026.0 ? 1026.0 : clamped;
    double rounded = clamped + (OPS_ROUND_F64 + 2046.0);
    double r = clamped - (rounded - (OPS_ROUND_F64 + 2046.0));
    return ops_scale_f64(ops_fma_f64(r, ops_exp2_tail_f64(r), 1.0), ops_bits_f64(rounded));
}

/* expm1(x) / 2 for -700 <= x: not infinite before sinh is, exact to the last bits near zero. */
OPS_INLINE double ops_half_expm1_f64(double x)
{
    int64_t biased;
    double clamped = x > 710.5 ? 710.5 : x; /* n <= 1025 */
    double r = ops_split_ln2_f64(clamped, 1021.0, &biased);
    double p = ops_fma_f64(r * r, ops_expm1_tail_f64(r), r);
    double scale = ops_from_bits_f64(biased << 52); /* 2^(n - 2) */
    return 2.0 * ops_fma_f64(scale, p, scale - 0.25);
}

OPS_INLINE double ops_expm1_f64(double x)
{
    double result = 2.0 * ops_half_expm1_f64(x < -80.0 ? -80.0 : x); /* -1 below */
    return __builtin_fabs(x) < 1e-20 ? x : result; /* keeps -0 and denormals */
}

/* 1 / (1 + exp(-x)) without overflow on either side: exp is only taken of -|x|. */
OPS_INLINE double ops_sigmoid_f64(double x)
{
    double a = __builtin_fabs(x);
    double e = ops_exp_shifted_f64(a > 747.0 ? -747.0 : -a, 0.0);
    return (x < 0 ? e : 1.0) / (1.0 + e);
}

OPS_INLINE double ops_tanh_f64(double x)
{
    double a = __builtin_fabs(x);
    a = a > 20.0 ? 20.0 : a; /* tanh(20) rounds to 1 */
    double t = ops_half_expm1_f64(2.0 * a);
    double result = t / (t + 1.0); /* e / (e + 2) with e = expm1(2 |x|) */
    return a < 1e-20 ? x : __builtin_copysign(result, x);
}

OPS_INLINE double ops_cosh_f64(double x)
{
    double a = __builtin_fabs(x);
    double half = ops_exp_shifted_f64(a > 712.0 ? 712.0 : a, -1.0);
    return half + 0.25 / half;
}

OPS_INLINE double ops_sinh_f64(double x)
{
    double a = __builtin_fabs(x);
    double t = ops_half_expm1_f64(a);
    double result = t + t / (2.0 * t + 1.0);
    result = t == OPS_INF_F64 ? t : result;
    return a < 1e-20 ? x : __builtin_copysign(result, x);
}

#endif
