/* opsmith/math/trigonometric.h: sin, cos and tan, reduced exactly at any size. */
#ifndef OPSMITH_MATH_TRIGONOMETRIC_H
#define OPSMITH_MATH_TRIGONOMETRIC_H

#include "opsmith/math/base.h"

/* ---- f32 ------------------------------------------------------------------------------------- */

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

/* ---- f64 ------------------------------------------------------------------------------------- */

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

#endif
