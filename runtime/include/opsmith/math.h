/*
 * opsmith/math.h: the scalar functions that generated kernels are written in.
 *
 * Every function is a branch-free inline expression (selects, bit tricks, fma), so that a plain
 * loop over it vectorises; -ffast-math is never assumed and NaN, infinities, signed zeros,
 * denormals and huge arguments are right. The few that cannot be written so (see "scalar only")
 * call libm. Names: ops_<function>_<type>, type one of f32, f64, i32, i64.
 *
 * Polynomials, unless another source is named, are minimax or weighted least-squares fits made with
 * 50 digits; the low coefficients were rounded one by one and the rest fitted anew. The errors are
 * measured in tests/runtime/test_math.py, the bounds stand there in MAX_ULP.
 *
 * Needs -fno-math-errno -fno-trapping-math to vectorise, and -fwrapv: bits and integers overflow.
 */
#ifndef OPSMITH_MATH_H
#define OPSMITH_MATH_H

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

/* ---- f32: exponential ------------------------------------------------------------------------ */

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

/* ---- f32: logarithm -------------------------------------------------------------------------- */

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

/* ---- f32: trigonometric ---------------------------------------------------------------------- */

/*
 * x = quadrant * pi/2 + r, |r| <= pi/4, for every float (quadrant modulo 4). 1 / (2 pi) is cut into
 * pieces of 29 bits; a float times a piece is exact in double, so its integer part can be dropped
 * exactly; the last piece only matters for |x| > 2^90 and its product is below 1/2. Summed from the
 * largest down after the quadrant is taken off: what cancels is then exact too.
 */
OPS_INLINE float ops_quadrant_f32(float x, int32_t *quadrant)
{
    double a = x;
    double turn1 = a * 0x1.45f306ep-3;
    double turn2 = a * -0x1.b1bbeadp-34;
    double turn3 = a * -0x1.80f62a1p-64;
    double turn4 = a * 0x1.1f534dep-94;
    double turn5 = a * -0x1.f924eb5p-125;
    double turn6 = a * -0x1.9b0ef1bef806cp-156;
    turn1 -= __builtin_rint(turn1);
    turn2 -= __builtin_rint(turn2);
    turn3 -= __builtin_rint(turn3);
    turn4 -= __builtin_rint(turn4);
    turn5 -= __builtin_rint(turn5);
    double low = (turn4 + turn5) + turn6;
    double rounded = 4.0 * (turn1 + (turn2 + (turn3 + low))) + OPS_ROUND_F64;
    *quadrant = (int32_t)ops_bits_f64(rounded);
    double turn = turn1 - 0.25 * (rounded - OPS_ROUND_F64);
    turn = ((turn + turn2) + turn3) + low;
    return (float)(turn * 6.283185307179586);
}

/* sin and cos of |r| <= pi/4. */
OPS_INLINE float ops_sin_reduced_f32(float r)
{
    float z = r * r;
    float p = -0.000195067871f;
    p = ops_fma_f32(p, z, 0.00833210163f);
    p = ops_fma_f32(p, z, -0.166666538f);
    return ops_fma_f32(p * z, r, r);
}

OPS_INLINE float ops_cos_reduced_f32(float r)
{
    float z = r * r;
    float p = 2.44306702e-05f;
    p = ops_fma_f32(p, z, -0.00138873013f);
    p = ops_fma_f32(p, z, 0.0416666456f);
    p = ops_fma_f32(p, z, -0.5f);
    return ops_fma_f32(p, z, 1.0f);
}

OPS_INLINE float ops_sin_f32(float x)
{
    int32_t quadrant;
    float r = ops_quadrant_f32(x, &quadrant);
    float value = (quadrant & 1) ? ops_cos_reduced_f32(r) : ops_sin_reduced_f32(r);
    value = (quadrant & 2) ? -value : value;
    return x == 0 ? x : value;
}

OPS_INLINE float ops_cos_f32(float x)
{
    int32_t quadrant;
    float r = ops_quadrant_f32(x, &quadrant);
    float value = (quadrant & 1) ? ops_sin_reduced_f32(r) : ops_cos_reduced_f32(r);
    return ((quadrant + 1) & 2) ? -value : value;
}

OPS_INLINE float ops_tan_f32(float x)
{
    int32_t quadrant;
    float r = ops_quadrant_f32(x, &quadrant);
    float s = ops_sin_reduced_f32(r), c = ops_cos_reduced_f32(r);
    float value = (quadrant & 1 ? -c : s) / (quadrant & 1 ? s : c);
    return x == 0 ? x : value;
}

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

/* ---- f32: error function --------------------------------------------------------------------- */

/* An odd polynomial up to 0.93, 1 - exp(polynomial) beyond (Juffa). */
OPS_INLINE float ops_erf_f32(float x)
{
    float a = __builtin_fabsf(x), s = x * x;
    float r = ops_fma_f32(-1.72853470e-5f, a, 3.83197126e-4f);
    float u = ops_fma_f32(-3.88396438e-3f, a, 2.42546219e-2f);
    r = ops_fma_f32(r, s, u);
    r = ops_fma_f32(r, a, -1.06777877e-1f);
    r = ops_fma_f32(r, a, -6.34846687e-1f);
    r = ops_fma_f32(r, a, -1.28717512e-1f);
    r = ops_fma_f32(r, a, -a);
    float large = 1.0f - ops_exp_shifted_f32(r, 0.0f); /* r > -33 up to a = 4.1 */
    large = __builtin_copysignf(a > 4.0f ? 1.0f : large, x);
    float q = -5.96761703e-4f;
    q = ops_fma_f32(q, s, 4.99119423e-3f);
    q = ops_fma_f32(q, s, -2.67681349e-2f);
    q = ops_fma_f32(q, s, 1.12819925e-1f);
    q = ops_fma_f32(q, s, -3.76125336e-1f);
    q = ops_fma_f32(q, s, 1.28379166e-1f);
    q = ops_fma_f32(q, x, x);
    q = x == 0 ? x : q;
    return a > 0.927734375f ? large : q; /* NaN takes q */
}

/*
 * erfc(a) = exp(-a^2) P(q) / (1 + 2 a), q = (a - 2) / (a + 2). The rounding errors of q and of a^2
 * are put back, since exp and the small end would magnify them.
 */
OPS_INLINE float ops_erfc_f32(float x)
{
    float a = __builtin_fabsf(x);
    a = a > 10.1f ? 10.1f : a; /* erfc(10.1) rounds to 0 */
    float inverse = 1.0f / (a + 2.0f);
    float q = (a - 2.0f) * inverse;
    float missing = ops_fma_f32(q, -a, ops_fma_f32(q + 1.0f, -2.0f, a)); /* a - 2 - q (a + 2) */
    q = ops_fma_f32(inverse, missing, q);
    float p = -0.000431946042f;
    p = ops_fma_f32(p, q, -0.00126808253f);
    p = ops_fma_f32(p, q, 0.00134345854f);
    p = ops_fma_f32(p, q, 0.00867119618f);
    p = ops_fma_f32(p, q, -0.00807066448f);
    p = ops_fma_f32(p, q, -0.0542173907f);
    p = ops_fma_f32(p, q, 0.164057299f);
    p = ops_fma_f32(p, q, -0.166030049f);
    p = ops_fma_f32(p, q, -0.0927641168f);
    p = ops_fma_f32(p, q, 1.27697837f);
    float square = a * a;
    float square_error = ops_mul_error_f32(a, a, square);
    float e = ops_exp_shifted_f32(-square, 0.0f); /* -square >= -102.1 */
    float value = p / ops_fma_f32(2.0f, a, 1.0f);
    value = value * ops_fma_f32(e, -square_error, e);
    value = x < 0 ? 2.0f - value : value;
    return x != x ? x : value;
}

/* x P(w), w = -log(1 - x^2) (Giles); the tail in sqrt(w). */
OPS_INLINE float ops_erfinv_f32(float x)
{
    float w = -ops_log_f32((1.0f - x) * (1.0f + x));
    float centre = w - 2.5f;
    float tail = __builtin_sqrtf(w) - 3.0f;
    float p = 2.54420716e-08f;
    p = ops_fma_f32(p, centre, 3.38437559e-07f);
    p = ops_fma_f32(p, centre, -3.49650736e-06f);
    p = ops_fma_f32(p, centre, -4.34603953e-06f);
    p = ops_fma_f32(p, centre, 0.000218502246f);
    p = ops_fma_f32(p, centre, -0.00125384203f);
    p = ops_fma_f32(p, centre, -0.00417761831f);
    p = ops_fma_f32(p, centre, 0.246640816f);
    p = ops_fma_f32(p, centre, 1.50140941f);
    float q = -0.000140342905f;
    q = ops_fma_f32(q, tail, 6.8055313e-05f);
    q = ops_fma_f32(q, tail, 0.0012650881f);
    q = ops_fma_f32(q, tail, -0.00364150922f);
    q = ops_fma_f32(q, tail, 0.00577838533f);
    q = ops_fma_f32(q, tail, -0.00763040176f);
    q = ops_fma_f32(q, tail, 0.00943297334f);
    q = ops_fma_f32(q, tail, 1.00167453f);
    q = ops_fma_f32(q, tail, 2.83297706f);
    float value = x * (w < 5.0f ? p : q);
    value = __builtin_fabsf(x) == 1.0f ? __builtin_copysignf(OPS_INF_F32, x) : value;
    return x == 0 ? x : value;
}

/* ---- f64: exponential ------------------------------------------------------------------------ */

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

/* ---- f64: logarithm -------------------------------------------------------------------------- */

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

/* ---- f64: trigonometric ---------------------------------------------------------------------- */

/*
 * The binary digits of 1 / (2 pi) after the point: entry j holds digits 8 j to 8 j + 63, so that 52
 * digits from any place are one load and one shift. Infinity and NaN stay inside too.
 */
static const uint64_t ops_inverse_two_pi[] = {
    0x28be60db9391054au, 0xbe60db9391054a7fu, 0x60db9391054a7f09u, 0xdb9391054a7f09d5u,
    0x9391054a7f09d5f4u, 0x91054a7f09d5f47du, 0x054a7f09d5f47d4du, 0x4a7f09d5f47d4d37u,
    0x7f09d5f47d4d3770u, 0x09d5f47d4d377036u, 0xd5f47d4d377036d8u, 0xf47d4d377036d8a5u,
    0x7d4d377036d8a566u, 0x4d377036d8a5664fu, 0x377036d8a5664f10u, 0x7036d8a5664f10e4u,
    0x36d8a5664f10e410u, 0xd8a5664f10e4107fu, 0xa5664f10e4107f94u, 0x664f10e4107f9458u,
    0x4f10e4107f9458eau, 0x10e4107f9458eaf7u, 0xe4107f9458eaf7aeu, 0x107f9458eaf7aef1u,
    0x7f9458eaf7aef158u, 0x9458eaf7aef1586du, 0x58eaf7aef1586dc9u, 0xeaf7aef1586dc91bu,
    0xf7aef1586dc91b8eu, 0xaef1586dc91b8e90u, 0xf1586dc91b8e9093u, 0x586dc91b8e909374u,
    0x6dc91b8e909374b8u, 0xc91b8e909374b801u, 0x1b8e909374b80192u, 0x8e909374b801924bu,
    0x909374b801924bbau, 0x9374b801924bba82u, 0x74b801924bba8274u, 0xb801924bba827464u,
    0x01924bba82746487u, 0x924bba827464873fu, 0x4bba827464873f87u, 0xba827464873f877au,
    0x827464873f877ac7u, 0x7464873f877ac72cu, 0x64873f877ac72c4au, 0x873f877ac72c4a69u,
    0x3f877ac72c4a69cfu, 0x877ac72c4a69cfbau, 0x7ac72c4a69cfba20u, 0xc72c4a69cfba208du,
    0x2c4a69cfba208d7du, 0x4a69cfba208d7d4bu, 0x69cfba208d7d4baeu, 0xcfba208d7d4baed1u,
    0xba208d7d4baed121u, 0x208d7d4baed1213au, 0x8d7d4baed1213a67u, 0x7d4baed1213a671cu,
    0x4baed1213a671c09u, 0xaed1213a671c09adu, 0xd1213a671c09ad17u, 0x213a671c09ad17dfu,
    0x3a671c09ad17df90u, 0x671c09ad17df904eu, 0x1c09ad17df904e64u, 0x09ad17df904e6475u,
    0xad17df904e64758eu, 0x17df904e64758e60u, 0xdf904e64758e60d4u, 0x904e64758e60d4ceu,
    0x4e64758e60d4ce7du, 0x64758e60d4ce7d27u, 0x758e60d4ce7d2721u, 0x8e60d4ce7d272117u,
    0x60d4ce7d272117e2u, 0xd4ce7d272117e2efu, 0xce7d272117e2ef7eu, 0x7d272117e2ef7e4au,
    0x272117e2ef7e4a0eu, 0x2117e2ef7e4a0ec7u, 0x17e2ef7e4a0ec7feu, 0xe2ef7e4a0ec7fe25u,
    0xef7e4a0ec7fe25ffu, 0x7e4a0ec7fe25fff7u, 0x4a0ec7fe25fff781u, 0x0ec7fe25fff78166u,
    0xc7fe25fff7816603u, 0xfe25fff7816603fbu, 0x25fff7816603fbcbu, 0xfff7816603fbcbc4u,
    0xf7816603fbcbc462u, 0x816603fbcbc462d6u, 0x6603fbcbc462d682u, 0x03fbcbc462d6829bu,
    0xfbcbc462d6829b47u, 0xcbc462d6829b47dbu, 0xc462d6829b47db4du, 0x62d6829b47db4d9fu,
    0xd6829b47db4d9fb3u, 0x829b47db4d9fb3c9u, 0x9b47db4d9fb3c9f2u, 0x47db4d9fb3c9f2c2u,
    0xdb4d9fb3c9f2c26du, 0x4d9fb3c9f2c26dd3u, 0x9fb3c9f2c26dd3d1u, 0xb3c9f2c26dd3d18fu,
    0xc9f2c26dd3d18fd9u, 0xf2c26dd3d18fd9a7u, 0xc26dd3d18fd9a797u, 0x6dd3d18fd9a797fau,
    0xd3d18fd9a797fa8bu, 0xd18fd9a797fa8b5du, 0x8fd9a797fa8b5d49u, 0xd9a797fa8b5d49eeu,
    0xa797fa8b5d49eeb1u, 0x97fa8b5d49eeb1fau, 0xfa8b5d49eeb1faf9u, 0x8b5d49eeb1faf97cu,
    0x5d49eeb1faf97c5eu, 0x49eeb1faf97c5ecfu, 0xeeb1faf97c5ecf41u, 0xb1faf97c5ecf41ceu,
    0xfaf97c5ecf41ce7du, 0xf97c5ecf41ce7de2u, 0x7c5ecf41ce7de294u, 0x5ecf41ce7de294a4u,
    0xcf41ce7de294a4bau, 0x41ce7de294a4ba9au, 0xce7de294a4ba9afeu, 0x7de294a4ba9afed7u,
    0xe294a4ba9afed7ecu, 0x94a4ba9afed7ec47u, 0xa4ba9afed7ec47e3u, 0xba9afed7ec47e357u,
};

/* 52 binary digits of 1 / (2 pi) from place `digit`, as a fraction in [0, 1). */
OPS_INLINE double ops_inverse_two_pi_digits(int64_t digit)
{
    uint64_t digits = ops_inverse_two_pi[digit >> 3] << (digit & 7) >> 12;
    return ops_from_bits_f64((int64_t)(digits | 0x3ff0000000000000)) - 1.0;
}

/*
 * x = quadrant * pi/2 + r + low, |r| <= pi/4, for every double (quadrant modulo 4), Payne and
 * Hanek's way: |x| is m times 2^k with m < 2^53, so of 1 / (2 pi) only the digits after the k-th
 * matter for the fraction of a turn; 156 are used. The error is below 2^-102 of a turn, so that r
 * is exact to its last place unless |x| > 2^53 lies within 2^-50 of a multiple of pi/2. One finds
 * such a double only by computing it; the worst of all, 6381956970095103 * 2^797, loses 9 bits.
 */
OPS_INLINE double ops_quadrant_f64(double x, double *low, int64_t *quadrant)
{
    int64_t bits = ops_bits_f64(x);
    int64_t exponent = (bits >> 52) & 0x7ff;
    int64_t scaled = exponent < 1075 ? exponent : 1075; /* of m: k = 0 below 2^53 */
    int64_t digit = exponent - scaled;
    double m = ops_from_bits_f64((bits & 0x000fffffffffffff) | scaled << 52);
    double digits2 = 0x1p-52 * ops_inverse_two_pi_digits(digit + 52);
    double turn1 = m * ops_inverse_two_pi_digits(digit);
    double turn1_low = ops_mul_error_f64(m, ops_inverse_two_pi_digits(digit), turn1);
    double turn2 = m * digits2;
    double turn2_low = ops_mul_error_f64(m, digits2, turn2);
    double turn3 = m * (0x1p-104 * ops_inverse_two_pi_digits(digit + 104));

    turn1 -= __builtin_rint(turn1);
    double sum = turn1 + turn2;
    double error = ops_add_error_f64(turn1, turn2, sum);
    double turn = sum + turn1_low;
    error += ops_add_error_f64(sum, turn1_low, turn);
    error += turn2_low + turn3;

    double rounded = 4.0 * turn + OPS_ROUND_F64;
    turn -= 0.25 * (rounded - OPS_ROUND_F64);
    double high = turn + error;
    error = (turn - high) + error;

    double r = high * 6.283185307179586;
    double r_low = ops_mul_error_f64(high, 6.283185307179586, r);
    r_low = ops_fma_f64(high, 2.4492935982947064e-16, ops_fma_f64(error, 6.283185307179586, r_low));
    int small = __builtin_fabs(x) < 0.5;
    *quadrant = small ? 0 : ops_bits_f64(rounded);
    *low = small ? 0.0 : __builtin_copysign(1.0, x) * r_low;
    double result = small ? x : __builtin_copysign(1.0, x) * r;
    *quadrant = x < 0 ? -*quadrant : *quadrant;
    return __builtin_fabs(x) < OPS_INF_F64 ? result : OPS_NAN_F64;
}

/* sin and cos of r + low, |r| <= pi/4. */
OPS_INLINE double ops_sin_reduced_f64(double r, double low)
{
    double z = r * r;
    double p = 1.589303014638097e-10;
    p = ops_fma_f64(p, z, -2.5050694578074055e-08);
    p = ops_fma_f64(p, z, 2.7557313296324462e-06);
    p = ops_fma_f64(p, z, -0.0001984126982870091);
    p = ops_fma_f64(p, z, 0.008333333333321079);
    p = ops_fma_f64(p, z, -0.16666666666666627);
    return r + ops_fma_f64(p * z, r, low * (1.0 - 0.5 * z));
}

OPS_INLINE double ops_cos_reduced_f64(double r, double low)
{
    double z = r * r;
    double p = -1.1356711049743732e-11;
    p = ops_fma_f64(p, z, 2.087566778255507e-09);
    p = ops_fma_f64(p, z, -2.7557313954334895e-07);
    p = ops_fma_f64(p, z, 2.480158728814477e-05);
    p = ops_fma_f64(p, z, -0.0013888888888872056);
    p = ops_fma_f64(p, z, 0.04166666666666659);
    double half = 0.5 * z;
    double head = 1.0 - half;
    return head + (((1.0 - head) - half) + (z * z * p - r * low));
}

OPS_INLINE double ops_sin_f64(double x)
{
    double low;
    int64_t quadrant;
    double r = ops_quadrant_f64(x, &low, &quadrant);
    double value = (quadrant & 1) ? ops_cos_reduced_f64(r, low) : ops_sin_reduced_f64(r, low);
    value = (quadrant & 2) ? -value : value;
    return x == 0 ? x : value;
}

OPS_INLINE double ops_cos_f64(double x)
{
    double low;
    int64_t quadrant;
    double r = ops_quadrant_f64(x, &low, &quadrant);
    double value = (quadrant & 1) ? ops_sin_reduced_f64(r, low) : ops_cos_reduced_f64(r, low);
    return ((quadrant + 1) & 2) ? -value : value;
}

OPS_INLINE double ops_tan_f64(double x)
{
    double low;
    int64_t quadrant;
    double r = ops_quadrant_f64(x, &low, &quadrant);
    double s = ops_sin_reduced_f64(r, low), c = ops_cos_reduced_f64(r, low);
    double value = (quadrant & 1 ? -c : s) / (quadrant & 1 ? s : c);
    return x == 0 ? x : value;
}

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

/* ---- f64: error function --------------------------------------------------------------------- */

/* erf(x) for |x| <= 1. */
OPS_INLINE double ops_erf_reduced_f64(double x)
{
    double z = x * x;
    double p = 1.6394556901065913e-10;
    p = ops_fma_f64(p, z, -1.7637321780746772e-09);
    p = ops_fma_f64(p, z, 1.630479755386981e-08);
    p = ops_fma_f64(p, z, -1.6598472785685731e-07);
    p = ops_fma_f64(p, z, 1.6484741712423223e-06);
    p = ops_fma_f64(p, z, -1.4927095496330927e-05);
    p = ops_fma_f64(p, z, 0.00012055394353501151);
    p = ops_fma_f64(p, z, -0.0008548328735804778);
    p = ops_fma_f64(p, z, 0.005223977655691681);
    p = ops_fma_f64(p, z, -0.026866170648281482);
    p = ops_fma_f64(p, z, 0.11283791670972065);
    p = ops_fma_f64(p, z, -0.3761263890318411);
    p = ops_fma_f64(p, z, 0.1283791670955126);
    return ops_fma_f64(p, x, x);
}

/* An odd polynomial up to 1, 1 - exp(x P(x)) beyond. */
OPS_INLINE double ops_erf_f64(double x)
{
    double a = __builtin_fabs(x);
    double small = ops_erf_reduced_f64(x);
    a = a > 6.0 ? 6.0 : a; /* erf(6) rounds to 1 */
    double q = -9.605991286752597e-12;
    q = ops_fma_f64(q, a, 3.8205144678306853e-10);
    q = ops_fma_f64(q, a, -7.0578791232724525e-09);
    q = ops_fma_f64(q, a, 8.024393167958519e-08);
    q = ops_fma_f64(q, a, -6.257199148029612e-07);
    q = ops_fma_f64(q, a, 3.5136801569287144e-06);
    q = ops_fma_f64(q, a, -1.4365294308181943e-05);
    q = ops_fma_f64(q, a, 4.105238248781836e-05);
    q = ops_fma_f64(q, a, -6.595193543202464e-05);
    q = ops_fma_f64(q, a, -4.484828998828688e-05);
    q = ops_fma_f64(q, a, 0.000630313912851898);
    q = ops_fma_f64(q, a, -0.0017448818902569543);
    q = ops_fma_f64(q, a, 0.0002492129321548628);
    q = ops_fma_f64(q, a, 0.01910562865199764);
    q = ops_fma_f64(q, a, -0.10276389525681671);
    q = ops_fma_f64(q, a, -0.6366217822649025);
    q = ops_fma_f64(q, a, -1.1283789543997758);
    double large = __builtin_copysign(1.0 - ops_exp_shifted_f64(q * a, 0.0), x);
    small = x == 0 ? x : small;
    return a > 1.0 ? large : small; /* NaN takes small */
}

/*
 * erfc(a) = exp(-a^2) P(q) / (1 + 2 a), q = (a - 4) / (a + 4). The rounding errors of q and of a^2
 * are put back, since exp and the small end would magnify them. 1 - erf(a) where it is above 1/2.
 */
OPS_INLINE double ops_erfc_f64(double x)
{
    double a = __builtin_fabs(x);
    a = a > 27.3 ? 27.3 : a; /* erfc(27.3) rounds to 0 */
    double inverse = 1.0 / (a + 4.0);
    double q = (a - 4.0) * inverse;
    double missing = ops_fma_f64(q, -a, ops_fma_f64(q + 1.0, -4.0, a)); /* a - 4 - q (a + 4) */
    q = ops_fma_f64(inverse, missing, q);
    double p = 2.2450927572790274e-10;
    p = ops_fma_f64(p, q, -7.732539091492106e-09);
    p = ops_fma_f64(p, q, -8.066481780708754e-09);
    p = ops_fma_f64(p, q, 9.990888396690297e-08);
    p = ops_fma_f64(p, q, 5.4316223556530646e-08);
    p = ops_fma_f64(p, q, -8.185463915453355e-07);
    p = ops_fma_f64(p, q, 3.152252091510449e-07);
    p = ops_fma_f64(p, q, 5.7084159282767956e-06);
    p = ops_fma_f64(p, q, -1.1235350751355979e-05);
    p = ops_fma_f64(p, q, -2.440016609534267e-05);
    p = ops_fma_f64(p, q, 0.00015062685659993644);
    p = ops_fma_f64(p, q, -0.00019925599228704083);
    p = ops_fma_f64(p, q, -0.0007577745657028166);
    p = ops_fma_f64(p, q, 0.005031969774642035);
    p = ops_fma_f64(p, q, -0.016197733862265487);
    p = ops_fma_f64(p, q, 0.037167515567878555);
    p = ops_fma_f64(p, q, -0.0663303658297392);
    p = ops_fma_f64(p, q, 0.09373283499604083);
    p = ops_fma_f64(p, q, -0.10103906603549222);
    p = ops_fma_f64(p, q, 0.06809705425476903);
    p = ops_fma_f64(p, q, 0.015379652102604885);
    p = ops_fma_f64(p, q, -0.13962111684056322);
    p = ops_fma_f64(p, q, 1.2329951186255526);
    double square = a * a;
    double square_error = ops_mul_error_f64(a, a, square);
    double e = ops_exp_shifted_f64(-square, 0.0); /* -square >= -745.3 */
    double value = p / ops_fma_f64(2.0, a, 1.0);
    value = value * ops_fma_f64(e, -square_error, e);
    value = x < 0 ? 2.0 - value : value;
    value = a < 0.45 ? 1.0 - ops_erf_reduced_f64(x) : value;
    return x != x ? x : value;
}

/* x P(w), w = -log(1 - x^2) (Giles); beyond w = 6.25 in sqrt(w), two pieces. */
OPS_INLINE double ops_erfinv_f64(double x)
{
    double w = -ops_log_f64((1.0 - x) * (1.0 + x));
    double root = __builtin_sqrt(w);
    double centre = w - 3.125;
    double middle = root - 3.25;
    double tail = root - 5.0;
    double p = -7.55429551803311e-21;
    p = ops_fma_f64(p, centre, -1.6826618285936531e-19);
    p = ops_fma_f64(p, centre, 1.4935883488718633e-18);
    p = ops_fma_f64(p, centre, 1.114833907556133e-17);
    p = ops_fma_f64(p, centre, -1.3807971517582563e-16);
    p = ops_fma_f64(p, centre, 2.1119431272264828e-17);
    p = ops_fma_f64(p, centre, 6.69928371775957e-15);
    p = ops_fma_f64(p, centre, -4.054666045223301e-14);
    p = ops_fma_f64(p, centre, -8.201430087783423e-14);
    p = ops_fma_f64(p, centre, 2.633510503625881e-12);
    p = ops_fma_f64(p, centre, -1.2972583354028788e-11);
    p = ops_fma_f64(p, centre, -5.415409471874991e-11);
    p = ops_fma_f64(p, centre, 1.051203848415596e-09);
    p = ops_fma_f64(p, centre, -4.112634155694915e-09);
    p = ops_fma_f64(p, centre, -2.907035263195063e-08);
    p = ops_fma_f64(p, centre, 4.234787787790632e-07);
    p = ops_fma_f64(p, centre, -1.3654692208299843e-06);
    p = ops_fma_f64(p, centre, -1.38825233634726e-05);
    p = ops_fma_f64(p, centre, 0.00018673420804676694);
    p = ops_fma_f64(p, centre, -0.0007407025341658629);
    p = ops_fma_f64(p, centre, -0.006033670871433175);
    p = ops_fma_f64(p, centre, 0.24015818242558956);
    p = ops_fma_f64(p, centre, 1.653654562683103);
    double q = 9.056320721061578e-09;
    q = ops_fma_f64(q, middle, 9.022776986215672e-08);
    q = ops_fma_f64(q, middle, -2.922736563794155e-07);
    q = ops_fma_f64(q, middle, 1.9443668765877293e-08);
    q = ops_fma_f64(q, middle, 1.5205243285487097e-06);
    q = ops_fma_f64(q, middle, -4.014989478902382e-06);
    q = ops_fma_f64(q, middle, 2.9134843506076787e-06);
    q = ops_fma_f64(q, middle, 1.247585509124724e-05);
    q = ops_fma_f64(q, middle, -4.731498265101995e-05);
    q = ops_fma_f64(q, middle, 6.828469897228599e-05);
    q = ops_fma_f64(q, middle, 2.4030489982286382e-05);
    q = ops_fma_f64(q, middle, -0.0003550374966816448);
    q = ops_fma_f64(q, middle, 0.0009532894461985646);
    q = ops_fma_f64(q, middle, -0.0016882755579451319);
    q = ops_fma_f64(q, middle, 0.002491442092550288);
    q = ops_fma_f64(q, middle, -0.003751208507500584);
    q = ops_fma_f64(q, middle, 0.005370914553663161);
    q = ops_fma_f64(q, middle, 1.0052589676941586);
    q = ops_fma_f64(q, middle, 3.0838856104922203);
    double t = -6.475753872598046e-12;
    t = ops_fma_f64(t, tail, -2.465344404299326e-10);
    t = ops_fma_f64(t, tail, 1.426147629742061e-09);
    t = ops_fma_f64(t, tail, -3.823993665116435e-09);
    t = ops_fma_f64(t, tail, 7.74566686253727e-09);
    t = ops_fma_f64(t, tail, -1.490736096479329e-08);
    t = ops_fma_f64(t, tail, 2.9040964942145986e-08);
    t = ops_fma_f64(t, tail, -6.775274967959877e-08);
    t = ops_fma_f64(t, tail, 2.290530568448242e-07);
    t = ops_fma_f64(t, tail, -9.92965930629626e-07);
    t = ops_fma_f64(t, tail, 4.526050972545113e-06);
    t = ops_fma_f64(t, tail, -1.9681781635056586e-05);
    t = ops_fma_f64(t, tail, 7.599527837560445e-05);
    t = ops_fma_f64(t, tail, -0.00021503011897661202);
    t = ops_fma_f64(t, tail, -0.00013871931839364577);
    t = ops_fma_f64(t, tail, 1.010300464864526);
    t = ops_fma_f64(t, tail, 4.849906401408584);
    double value = x * (w < 6.25 ? p : w < 16.0 ? q : t);
    value = __builtin_fabs(x) == 1.0 ? __builtin_copysign(OPS_INF_F64, x) : value;
    return x == 0 ? x : value;
}

/* ---- inverse trigonometric and hyperbolic ---------------------------------------------------- */

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

/* ---- remainder ------------------------------------------------------------------------------- */

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

/* ---- Bessel ---------------------------------------------------------------------------------- */

/* A power series in x^2 / 4 up to 15, exp(x) / sqrt(x) P(30 / x - 1) beyond. */
OPS_INLINE double ops_i0_f64(double x)
{
    double a = __builtin_fabs(x);
    double near = a > 15.0 ? 15.0 : a;
    double far = a < 15.0 ? 15.0 : a;
    double z = 0.25 * (near * near);
    double p = 1.1358892761281518e-39;
    p = ops_fma_f64(p, z, -4.730628556316685e-38);
    p = ops_fma_f64(p, z, 1.0259267853448652e-34);
    p = ops_fma_f64(p, z, 2.0635372215293903e-32);
    p = ops_fma_f64(p, z, 8.192811313629287e-30);
    p = ops_fma_f64(p, z, 2.2678780286261354e-27);
    p = ops_fma_f64(p, z, 5.855061293396287e-25);
    p = ops_fma_f64(p, z, 1.315540572506431e-22);
    p = ops_fma_f64(p, z, 2.5789911036736482e-20);
    p = ops_fma_f64(p, z, 4.358377283542674e-18);
    p = ops_fma_f64(p, z, 6.276083296939457e-16);
    p = ops_fma_f64(p, z, 7.594058196013708e-14);
    p = ops_fma_f64(p, z, 7.594058448898901e-12);
    p = ops_fma_f64(p, z, 6.151187325415964e-10);
    p = ops_fma_f64(p, z, 3.9367598892047735e-08);
    p = ops_fma_f64(p, z, 1.929012345676987e-06);
    p = ops_fma_f64(p, z, 6.944444444444847e-05);
    p = ops_fma_f64(p, z, 0.0017361111111111067);
    p = ops_fma_f64(p, z, 0.02777777777777778);
    p = ops_fma_f64(p, z, 0.25);
    p = ops_fma_f64(p, z, 1.0);
    double t = 30.0 / far - 1.0;
    double q = -3.8035341643362296e-13;
    q = ops_fma_f64(q, t, -1.62767282743685e-14);
    q = ops_fma_f64(q, t, 1.5184620613307729e-12);
    q = ops_fma_f64(q, t, 9.835564786895069e-14);
    q = ops_fma_f64(q, t, -2.323604049240534e-12);
    q = ops_fma_f64(q, t, 1.8029430944629936e-13);
    q = ops_fma_f64(q, t, 2.825111933610462e-12);
    q = ops_fma_f64(q, t, 3.249050743607438e-12);
    q = ops_fma_f64(q, t, 1.4898446442695415e-11);
    q = ops_fma_f64(q, t, 9.506246718183401e-11);
    q = ops_fma_f64(q, t, 7.03808861825782e-10);
    q = ops_fma_f64(q, t, 6.566418803408476e-09);
    q = ops_fma_f64(q, t, 8.002452615171427e-08);
    q = ops_fma_f64(q, t, 1.3480636241684353e-06);
    q = ops_fma_f64(q, t, 3.478816199515473e-05);
    q = ops_fma_f64(q, t, 0.0017280825606888822);
    q = ops_fma_f64(q, t, 0.4006368487838702);
    double half = ops_exp_f64(0.5 * far); /* exp(far) overflows before I0 does */
    double series = ops_fma_f64(p, z, 1.0);
    /* The rounding error of z counts x / 2 times; d log(I0) / dz is 1 / (1 + x / 2), nearly. */
    double z_low = 0.25 * ops_mul_error_f64(near, near, 4.0 * z);
    series = ops_fma_f64(series, z_low / (1.0 + 0.5 * near), series);
    double asymptotic = half * (q / __builtin_sqrt(far)) * half;
    return a > 15.0 ? (a == OPS_INF_F64 ? a : asymptotic) : series;
}

OPS_INLINE float ops_i0_f32(float x)
{
    return (float)ops_i0_f64(x);
}

/* ---- gamma function -------------------------------------------------------------------------- */

/* sin(pi x) and cos(pi x), up to a common sign: x is taken to within 1/2 of an integer, exactly. */
OPS_INLINE void ops_sincos_pi_f64(double x, double *sine, double *cosine)
{
    double f = x - __builtin_rint(x);
    double a = __builtin_fabs(f);
    int outer = a > 0.25;
    double r = 3.141592653589793 * (outer ? 0.5 - a : a);
    double s = ops_sin_reduced_f64(r, 0.0), c = ops_cos_reduced_f64(r, 0.0);
    *sine = __builtin_copysign(outer ? c : s, f);
    *cosine = outer ? s : c;
}

/*
 * The three functions below reflect x < 0 to y = 1 - x, step y < 3 by one to t in [1, 2], where a
 * polynomial in t - 3/2 holds, and use Stirling's series in z = 1 / y^2, economised, from 3 on.
 */

/* On [1, 2] as (t - root) P(t), the root in two parts: relative accuracy through the zero. */
OPS_INLINE double ops_digamma_f64(double x)
{
    double y = x < 0 ? 1.0 - x : x;
    int near = y < 3.0, below = y < 1.0, above = y >= 2.0;
    double t = below ? y + 1.0 : above ? y - 1.0 : y;
    double t_low = below ? y - (t - 1.0) : 0.0;
    double inverse = 1.0 / (near & above ? t : y);
    double u = t - 1.5;
    double p = -0.0001780896909540723;
    p = ops_fma_f64(p, u, 0.0002627488859748722);
    p = ops_fma_f64(p, u, -0.00014499222322385914);
    p = ops_fma_f64(p, u, 0.00022322609578966684);
    p = ops_fma_f64(p, u, -0.0004858348323176673);
    p = ops_fma_f64(p, u, 0.0007255715586688223);
    p = ops_fma_f64(p, u, -0.0010364991518573721);
    p = ops_fma_f64(p, u, 0.0015559281830497384);
    p = ops_fma_f64(p, u, -0.002345485843135098);
    p = ops_fma_f64(p, u, 0.0035191415131744517);
    p = ops_fma_f64(p, u, -0.005279938506234876);
    p = ops_fma_f64(p, u, 0.00792692827413518);
    p = ops_fma_f64(p, u, -0.011908219993127607);
    p = ops_fma_f64(p, u, 0.01790725368189974);
    p = ops_fma_f64(p, u, -0.026975796666111832);
    p = ops_fma_f64(p, u, 0.04076083375580243);
    p = ops_fma_f64(p, u, -0.06192213327528345);
    p = ops_fma_f64(p, u, 0.0949887244563576);
    p = ops_fma_f64(p, u, -0.14840492305388422);
    p = ops_fma_f64(p, u, 0.240542484240758);
    p = ops_fma_f64(p, u, -0.4236274212814606);
    p = ops_fma_f64(p, u, 0.951055876031833);
    double from_root = (t - 1.4616321449683622) + (t_low - 9.549995429965697e-17);
    double step = below ? -inverse : above ? inverse : 0.0;
    double value_near = ops_fma_f64(from_root, p, step);
    double z = inverse * inverse;
    double q = 124.09088967271576;
    q = ops_fma_f64(q, z, -104.63385391147092);
    q = ops_fma_f64(q, z, 41.76599191949853);
    q = ops_fma_f64(q, z, -10.849262273567392);
    q = ops_fma_f64(q, z, 2.190542304253145);
    q = ops_fma_f64(q, z, -0.40586685533909544);
    q = ops_fma_f64(q, z, 0.08213768053216945);
    q = ops_fma_f64(q, z, -0.021066005593671906);
    q = ops_fma_f64(q, z, 0.007575362045529819);
    q = ops_fma_f64(q, z, -0.004166663146943765);
    q = ops_fma_f64(q, z, 0.003968253952027915);
    q = ops_fma_f64(q, z, -0.008333333333305229);
    q = ops_fma_f64(q, z, 0.08333333333333333);
    double value_far = ops_log_f64(y) - ops_fma_f64(z, q, 0.5 * inverse);
    double value = near ? value_near : value_far;
    double s, c;
    ops_sincos_pi_f64(x, &s, &c);
    value = x < 0 ? value - 3.141592653589793 * c / s : value;
    value = ((x < 0) & (__builtin_trunc(x) == x)) ? OPS_NAN_F64 : value; /* a pole of two signs */
    return x == 0 ? __builtin_copysign(OPS_INF_F64, -x) : value;
}

/* polygamma(1, x). */
OPS_INLINE double ops_trigamma_f64(double x)
{
    double y = x < 0 ? 1.0 - x : x;
    int near = y < 3.0, below = y < 1.0, above = y >= 2.0;
    double t = below ? y + 1.0 : above ? y - 1.0 : y;
    double inverse = 1.0 / (near & above ? t : y);
    double z = inverse * inverse;
    double u = t - 1.5;
    double p = 0.0017147005399141297;
    p = ops_fma_f64(p, u, -0.0020954847311056134);
    p = ops_fma_f64(p, u, 0.00033179395225239406);
    p = ops_fma_f64(p, u, -0.0010543569276690904);
    p = ops_fma_f64(p, u, 0.003353397404692485);
    p = ops_fma_f64(p, u, -0.004397336987017865);
    p = ops_fma_f64(p, u, 0.005532606236792345);
    p = ops_fma_f64(p, u, -0.008016787384764686);
    p = ops_fma_f64(p, u, 0.011544376972839573);
    p = ops_fma_f64(p, u, -0.01626031328267896);
    p = ops_fma_f64(p, u, 0.022836890034812818);
    p = ops_fma_f64(p, u, -0.031984187442910365);
    p = ops_fma_f64(p, u, 0.04456720761343125);
    p = ops_fma_f64(p, u, -0.06174053201097363);
    p = ops_fma_f64(p, u, 0.08496874690083576);
    p = ops_fma_f64(p, u, -0.11604071738366718);
    p = ops_fma_f64(p, u, 0.15705320404868833);
    p = ops_fma_f64(p, u, -0.21030987331315953);
    p = ops_fma_f64(p, u, 0.27808081326464285);
    p = ops_fma_f64(p, u, -0.3621493650199022);
    p = ops_fma_f64(p, u, 0.46306452510258117);
    p = ops_fma_f64(p, u, -0.579041637777917);
    p = ops_fma_f64(p, u, 0.70454551700121);
    p = ops_fma_f64(p, u, -0.8287966442343199);
    p = ops_fma_f64(p, u, 0.9348022005446793);
    double value_near = p + (below ? z : above ? -z : 0.0);
    double q = 2294.0623758887814;
    q = ops_fma_f64(q, z, -1915.602954783011);
    q = ops_fma_f64(q, z, 752.6943783891263);
    q = ops_fma_f64(q, z, -190.41298312796906);
    q = ops_fma_f64(q, z, 36.74111904754829);
    q = ops_fma_f64(q, z, -6.3146452192263025);
    q = ops_fma_f64(q, z, 1.1419805287578502);
    q = ops_fma_f64(q, z, -0.2525608475135116);
    q = ops_fma_f64(q, z, 0.07574937121679147);
    q = ops_fma_f64(q, z, -0.03333325929232789);
    q = ops_fma_f64(q, z, 0.023809523457451152);
    q = ops_fma_f64(q, z, -0.033333333332670544);
    q = ops_fma_f64(q, z, 0.16666666666666646);
    double value_far = inverse + z * ops_fma_f64(inverse, q, 0.5);
    double value = near ? value_near : value_far;
    double s, c;
    ops_sincos_pi_f64(x, &s, &c);
    return x < 0 ? 9.869604401089358 / (s * s) - value : value;
}

/* In double: on [1, 2] as (t - 1) (t - 2) P(t), which has the zeros. */
OPS_INLINE float ops_lgamma_f32(float x)
{
    double y = x < 0 ? 1.0 - x : x;
    int near = y < 3.0, below = y < 1.0, above = y >= 2.0;
    double t = below ? y + 1.0 : above ? y - 1.0 : y;
    double log_y = ops_log_f64(below ? y : !near ? y : above ? t : 1.0);
    double u = t - 1.5;
    double p = -0.0006075277508214175;
    p = ops_fma_f64(p, u, 0.000959132695349117);
    p = ops_fma_f64(p, u, -0.0011077794963780744);
    p = ops_fma_f64(p, u, 0.0018487991947101958);
    p = ops_fma_f64(p, u, -0.0032208574086176386);
    p = ops_fma_f64(p, u, 0.005456369614041078);
    p = ops_fma_f64(p, u, -0.00942496897120224);
    p = ops_fma_f64(p, u, 0.01679650683685636);
    p = ops_fma_f64(p, u, -0.03130850820003723);
    p = ops_fma_f64(p, u, 0.06291141391695415);
    p = ops_fma_f64(p, u, -0.14595989572768947);
    p = ops_fma_f64(p, u, 0.483128950495983);
    double value_near = ops_fma_f64((t - 1.0) * (t - 2.0), p, below ? -log_y : log_y);
    double inverse = 1.0 / y;
    double z = inverse * inverse;
    double q = 0.0018026537328543605;
    q = ops_fma_f64(q, z, -0.0014275069735015986);
    q = ops_fma_f64(q, z, 0.0008106507127134166);
    q = ops_fma_f64(q, z, -0.0005941447004493097);
    q = ops_fma_f64(q, z, 0.0007936318020946285);
    q = ops_fma_f64(q, z, -0.0027777776515608937);
    q = ops_fma_f64(q, z, 0.08333333333319472);
    double value_far = (y - 0.5) * log_y - y + ops_fma_f64(inverse, q, 0.9189385332046728);
    double value = near ? value_near : value_far;
    double s, c;
    ops_sincos_pi_f64(x, &s, &c);
    value = x < 0 ? 1.1447298858494002 - ops_log_f64(__builtin_fabs(s)) - value : value;
    return __builtin_fabsf(x) == OPS_INF_F32 ? OPS_INF_F32 : (float)value;
}

/* Scalar only. */
OPS_INLINE double ops_lgamma_f64(double x)
{
    int sign; /* lgamma() would write the global signgam */
    return lgamma_r(x, &sign);
}

OPS_INLINE float ops_digamma_f32(float x)
{
    return (float)ops_digamma_f64(x);
}

OPS_INLINE float ops_trigamma_f32(float x)
{
    return (float)ops_trigamma_f64(x);
}

/* ---- integers -------------------------------------------------------------------------------- */

/*
 * Division by zero gives 0 and never traps; entry points that must raise look first:
 * ops_any_zero_i32(n, divisors). MIN / -1 wraps to MIN, as everything here wraps.
 */
OPS_INLINE int ops_any_zero_i32(int64_t n, const int32_t *p)
{
    int found = 0;
    for (int64_t i = 0; i < n; ++i)
        found |= p[i] == 0;
    return found;
}

OPS_INLINE int32_t ops_div_trunc_i32(int32_t a, int32_t b)
{
    int special = (b == 0) | (b == -1);
    int32_t quotient = (int32_t)((double)a / (double)(special ? 1 : b)); /* exact, and vectorises */
    quotient = b == -1 ? -a : quotient;
    return b == 0 ? 0 : quotient;
}

OPS_INLINE int32_t ops_floor_divide_i32(int32_t a, int32_t b)
{
    int32_t quotient = ops_div_trunc_i32(a, b);
    int32_t rest = a - quotient * b;
    int below = (b != 0) & (rest != 0) & ((rest < 0) != (b < 0));
    return quotient - below;
}

/* The sign of b, as Python's %. */
OPS_INLINE int32_t ops_remainder_i32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : a - ops_floor_divide_i32(a, b) * b;
}

/* The sign of a, as C's %. */
OPS_INLINE int32_t ops_fmod_i32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : a - ops_div_trunc_i32(a, b) * b;
}

OPS_INLINE int32_t ops_abs_i32(int32_t a)
{
    return a < 0 ? -a : a;
}

OPS_INLINE int32_t ops_sign_i32(int32_t a)
{
    return (a > 0) - (a < 0);
}

OPS_INLINE int32_t ops_maximum_i32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

OPS_INLINE int32_t ops_minimum_i32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* Shifting by a negative amount or by the width or more shifts everything out. */
OPS_INLINE int32_t ops_shift_left_i32(int32_t a, int32_t amount)
{
    int out = (amount < 0) | (amount >= 32);
    return out ? 0 : (int32_t)((uint32_t)a << (amount & (32 - 1)));
}

OPS_INLINE int32_t ops_shift_right_i32(int32_t a, int32_t amount)
{
    int out = (amount < 0) | (amount >= 32);
    return a >> (out ? 32 - 1 : amount);
}

/* Wrapping power; a negative exponent truncates to 1, -1 or 0 (0 to a negative power is 0 too). */
static inline int32_t ops_pow_i32(int32_t base, int32_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    int32_t result = 1;
    for (; exponent; exponent >>= 1) {
        result *= exponent & 1 ? base : 1;
        base *= base;
    }
    return result;
}

static inline int32_t ops_gcd_i32(int32_t a, int32_t b)
{
    uint32_t u = a < 0 ? 0 - (uint32_t)a : (uint32_t)a;
    uint32_t v = b < 0 ? 0 - (uint32_t)b : (uint32_t)b;
    while (v) {
        uint32_t rest = u % v;
        u = v;
        v = rest;
    }
    return (int32_t)u;
}

static inline int32_t ops_lcm_i32(int32_t a, int32_t b)
{
    int32_t divisor = ops_gcd_i32(a, b);
    return ops_abs_i32(ops_div_trunc_i32(a, divisor) * b);
}

/*
 * Division by zero gives 0 and never traps; entry points that must raise look first:
 * ops_any_zero_i64(n, divisors). MIN / -1 wraps to MIN, as everything here wraps.
 */
OPS_INLINE int ops_any_zero_i64(int64_t n, const int64_t *p)
{
    int found = 0;
    for (int64_t i = 0; i < n; ++i)
        found |= p[i] == 0;
    return found;
}

OPS_INLINE int64_t ops_div_trunc_i64(int64_t a, int64_t b)
{
    int special = (b == 0) | (b == -1);
    int64_t quotient = a / (special ? 1 : b);
    quotient = b == -1 ? -a : quotient;
    return b == 0 ? 0 : quotient;
}

OPS_INLINE int64_t ops_floor_divide_i64(int64_t a, int64_t b)
{
    int64_t quotient = ops_div_trunc_i64(a, b);
    int64_t rest = a - quotient * b;
    int below = (b != 0) & (rest != 0) & ((rest < 0) != (b < 0));
    return quotient - below;
}

/* The sign of b, as Python's %. */
OPS_INLINE int64_t ops_remainder_i64(int64_t a, int64_t b)
{
    return b == 0 ? 0 : a - ops_floor_divide_i64(a, b) * b;
}

/* The sign of a, as C's %. */
OPS_INLINE int64_t ops_fmod_i64(int64_t a, int64_t b)
{
    return b == 0 ? 0 : a - ops_div_trunc_i64(a, b) * b;
}

OPS_INLINE int64_t ops_abs_i64(int64_t a)
{
    return a < 0 ? -a : a;
}

OPS_INLINE int64_t ops_sign_i64(int64_t a)
{
    return (a > 0) - (a < 0);
}

OPS_INLINE int64_t ops_maximum_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

OPS_INLINE int64_t ops_minimum_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Shifting by a negative amount or by the width or more shifts everything out. */
OPS_INLINE int64_t ops_shift_left_i64(int64_t a, int64_t amount)
{
    int out = (amount < 0) | (amount >= 64);
    return out ? 0 : (int64_t)((uint64_t)a << (amount & (64 - 1)));
}

OPS_INLINE int64_t ops_shift_right_i64(int64_t a, int64_t amount)
{
    int out = (amount < 0) | (amount >= 64);
    return a >> (out ? 64 - 1 : amount);
}

/* Wrapping power; a negative exponent truncates to 1, -1 or 0 (0 to a negative power is 0 too). */
static inline int64_t ops_pow_i64(int64_t base, int64_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    int64_t result = 1;
    for (; exponent; exponent >>= 1) {
        result *= exponent & 1 ? base : 1;
        base *= base;
    }
    return result;
}

static inline int64_t ops_gcd_i64(int64_t a, int64_t b)
{
    uint64_t u = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    uint64_t v = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (v) {
        uint64_t rest = u % v;
        u = v;
        v = rest;
    }
    return (int64_t)u;
}

static inline int64_t ops_lcm_i64(int64_t a, int64_t b)
{
    int64_t divisor = ops_gcd_i64(a, b);
    return ops_abs_i64(ops_div_trunc_i64(a, divisor) * b);
}

#endif
