/*
 * opsmith/random.h: random numbers as pure functions of (seed, offset + index).
 *
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): the seed is
 * the key, offset + index the counter. Element i of a tensor drawn at `offset` is
 * ops_<distribution>(seed, offset, i) on every thread, vector lane and device; whoever draws n
 * elements moves the generator's offset on by n, and streams then never overlap.
 *
 * The same bits on every platform: integer steps, exact conversions, correctly rounded + * / sqrt,
 * and fma written out wherever a product meets a sum, so that no compiler has a choice. That is why
 * the logarithm and the cosine of the normal distribution are not those of math.h, which leaves
 * out fma where the machine has none (here it is then a slow call).
 */
#ifndef OPSMITH_RANDOM_H
#define OPSMITH_RANDOM_H

#include <stdint.h>
#include <string.h>

#include "opsmith/math.h" /* OPS_INLINE, bits */

/* One round of Philox on counter words a, b, c, d with round keys k0, k1. */
OPS_INLINE void ops_philox_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d, uint32_t k0,
                                 uint32_t k1)
{
    uint64_t left = (uint64_t)0xd2511f53u * *a;
    uint64_t right = (uint64_t)0xcd9e8d57u * *c;
    uint32_t new_a = (uint32_t)(right >> 32) ^ *b ^ k0;
    uint32_t new_c = (uint32_t)(left >> 32) ^ *d ^ k1;
    *b = (uint32_t)right;
    *d = (uint32_t)left;
    *a = new_a;
    *c = new_c;
}

/* Philox 4x32-10 of the counter in a, b, c, d (a lowest), in place. */
OPS_INLINE void ops_philox(uint64_t key, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    const uint32_t w0 = 0x9e3779b9u, w1 = 0xbb67ae85u; /* golden ratio, sqrt(3) - 1 */
    ops_philox_round(a, b, c, d, k0, k1);
    ops_philox_round(a, b, c, d, k0 + w0, k1 + w1);
    ops_philox_round(a, b, c, d, k0 + 2 * w0, k1 + 2 * w1);
    ops_philox_round(a, b, c, d, k0 + 3 * w0, k1 + 3 * w1);
    ops_philox_round(a, b, c, d, k0 + 4 * w0, k1 + 4 * w1);
    ops_philox_round(a, b, c, d, k0 + 5 * w0, k1 + 5 * w1);
    ops_philox_round(a, b, c, d, k0 + 6 * w0, k1 + 6 * w1);
    ops_philox_round(a, b, c, d, k0 + 7 * w0, k1 + 7 * w1);
    ops_philox_round(a, b, c, d, k0 + 8 * w0, k1 + 8 * w1);
    ops_philox_round(a, b, c, d, k0 + 9 * w0, k1 + 9 * w1);
}

/* The four random words of one element. */
OPS_INLINE void ops_random_words(uint64_t seed, uint64_t offset, int64_t index, uint32_t *a,
                                 uint32_t *b, uint32_t *c, uint32_t *d)
{
    uint64_t counter = offset + (uint64_t)index;
    *a = (uint32_t)counter;
    *b = (uint32_t)(counter >> 32);
    *c = 0;
    *d = 0;
    ops_philox(seed, a, b, c, d);
}

OPS_INLINE uint32_t ops_bits32(uint64_t seed, uint64_t offset, int64_t index)
{
    uint32_t a, b, c, d;
    ops_random_words(seed, offset, index, &a, &b, &c, &d);
    return a;
}

OPS_INLINE uint64_t ops_bits64(uint64_t seed, uint64_t offset, int64_t index)
{
    uint32_t a, b, c, d;
    ops_random_words(seed, offset, index, &a, &b, &c, &d);
    return (uint64_t)b << 32 | a;
}

/* The top 53 of 64 bits as an integer in [0, 2^53), by int32 conversions (they vectorise). */
OPS_INLINE double ops_integer53(uint32_t high, uint32_t low)
{
    return __builtin_fma((double)(int32_t)(high >> 5), 67108864.0, (double)(int32_t)(low >> 6));
}

/* Uniform in [0, 1): 24 bits fill a float exactly, so that no rounding reaches 1. */
OPS_INLINE float ops_uniform_f32(uint64_t seed, uint64_t offset, int64_t index)
{
    uint32_t bits = ops_bits32(seed, offset, index);
    return (float)(int32_t)(bits >> 8) * 0x1p-24f;
}

/* Uniform in [0, 1): 53 bits. */
OPS_INLINE double ops_uniform_f64(uint64_t seed, uint64_t offset, int64_t index)
{
    uint32_t a, b, c, d;
    ops_random_words(seed, offset, index, &a, &b, &c, &d);
    return ops_integer53(b, a) * 0x1p-53;
}

/* -2 log(u) for u in (0, 1], normal numbers only: never negative. */
OPS_INLINE float ops_random_log_f32(float u)
{
    int32_t bits = ops_bits_f32(u);
    int32_t power = (bits - 0x3f2aaaab) & (int32_t)0xff800000; /* 2/3 */
    float exponent = (float)(power >> 23);
    float f = ops_from_bits_f32(bits - power) - 1.0f;
    float p = -0.130310059f;
    p = __builtin_fmaf(p, f, 0.140869141f);
    p = __builtin_fmaf(p, f, -0.121483512f);
    p = __builtin_fmaf(p, f, 0.139814854f);
    p = __builtin_fmaf(p, f, -0.166846126f);
    p = __builtin_fmaf(p, f, 0.200120345f);
    p = __builtin_fmaf(p, f, -0.249996200f);
    p = __builtin_fmaf(p, f, 0.333331972f);
    p = __builtin_fmaf(p, f, -0.5f);
    p = __builtin_fmaf(p, f * f, f);
    return -2.0f * __builtin_fmaf(exponent, 0.693147182f, p);
}

OPS_INLINE double ops_random_log_f64(double u)
{
    int64_t bits = ops_bits_f64(u);
    int64_t power = (bits - 0x3fe6a09e667f3bcd) & (int64_t)0xfff0000000000000; /* sqrt(1/2) */
    double exponent = (double)((int32_t)((uint64_t)power >> 32) >> 20);
    double f = ops_from_bits_f64(bits - power) - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double p = 0.14673521329511308;
    p = __builtin_fma(p, z, 0.15326996988156263);
    p = __builtin_fma(p, z, 0.1818303466401332);
    p = __builtin_fma(p, z, 0.2222220908770053);
    p = __builtin_fma(p, z, 0.28571428638841456);
    p = __builtin_fma(p, z, 0.39999999999870356);
    p = __builtin_fma(p, z, 0.6666666666666671);
    p = __builtin_fma(p * z, s, s + s); /* log(1 + f) */
    return -2.0 * __builtin_fma(exponent, 0.6931471805599453, p);
}

/* cos(2 pi turn) for |turn| <= 1/2, by quarters: |rest| <= 1/8 of a turn. */
OPS_INLINE float ops_random_cos_f32(float turn)
{
    float quarter = __builtin_rintf(4.0f * turn);
    int32_t quadrant = (int32_t)quarter;
    float r = __builtin_fmaf(quarter, -0.25f, turn) * 6.28318531f;
    float z = r * r;
    float s = -0.000195067871f;
    s = __builtin_fmaf(s, z, 0.00833210163f);
    s = __builtin_fmaf(s, z, -0.166666538f);
    float sine = __builtin_fmaf(s * z, r, r);
    float c = 2.44306702e-05f;
    c = __builtin_fmaf(c, z, -0.00138873013f);
    c = __builtin_fmaf(c, z, 0.0416666456f);
    c = __builtin_fmaf(c, z, -0.5f);
    float cosine = __builtin_fmaf(c, z, 1.0f);
    float value = quadrant & 1 ? sine : cosine;
    return (quadrant + 1) & 2 ? -value : value;
}

OPS_INLINE double ops_random_cos_f64(double turn)
{
    double quarter = __builtin_rint(4.0 * turn);
    int32_t quadrant = (int32_t)quarter;
    double r = __builtin_fma(quarter, -0.25, turn) * 6.283185307179586;
    double z = r * r;
    double s = 1.589303014638097e-10;
    s = __builtin_fma(s, z, -2.5050694578074055e-08);
    s = __builtin_fma(s, z, 2.7557313296324462e-06);
    s = __builtin_fma(s, z, -0.0001984126982870091);
    s = __builtin_fma(s, z, 0.008333333333321079);
    s = __builtin_fma(s, z, -0.16666666666666627);
    double sine = __builtin_fma(s * z, r, r);
    double c = -1.1356711049743732e-11;
    c = __builtin_fma(c, z, 2.087566778255507e-09);
    c = __builtin_fma(c, z, -2.7557313954334895e-07);
    c = __builtin_fma(c, z, 2.480158728814477e-05);
    c = __builtin_fma(c, z, -0.0013888888888872056);
    c = __builtin_fma(c, z, 0.04166666666666659);
    c = __builtin_fma(c, z, -0.5);
    double cosine = __builtin_fma(c, z, 1.0);
    double value = quadrant & 1 ? sine : cosine;
    return (quadrant + 1) & 2 ? -value : value;
}

/*
 * Standard normal (Box and Muller, the cosine branch): words 0 and 1 of the element. The radius
 * uses 31 bits, so that |value| reaches 6.6: 2^-32 of the tail beyond is cut.
 */
OPS_INLINE float ops_normal_f32(uint64_t seed, uint64_t offset, int64_t index)
{
    uint32_t a, b, c, d;
    ops_random_words(seed, offset, index, &a, &b, &c, &d);
    float u = __builtin_fmaf((float)(int32_t)(a >> 1), 0x1p-31f, 0x1p-32f); /* (0, 1] */
    float turn = (float)(int32_t)b * 0x1p-32f;                              /* [-1/2, 1/2] */
    return __builtin_sqrtf(ops_random_log_f32(u)) * ops_random_cos_f32(turn);
}

/* All four words; |value| reaches 8.6. */
OPS_INLINE double ops_normal_f64(uint64_t seed, uint64_t offset, int64_t index)
{
    uint32_t a, b, c, d;
    ops_random_words(seed, offset, index, &a, &b, &c, &d);
    double u = (ops_integer53(b, a) + 1.0) * 0x1p-53;            /* (0, 1], exact */
    double turn = __builtin_fma(ops_integer53(d, c), 0x1p-53, -0.5); /* [-1/2, 1/2) */
    return __builtin_sqrt(ops_random_log_f64(u)) * ops_random_cos_f64(turn);
}

#endif
