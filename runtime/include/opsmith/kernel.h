/* What generated kernels include: math by compute dtype, random numbers, the descriptors. */
#ifndef OPSMITH_KERNEL_H
#define OPSMITH_KERNEL_H

#include "opsmith/math.h"
#include "opsmith/pointwise.h"
#include "opsmith/random.h"

/* Iterations are independent: an output is either apart from an input or the very same memory. */
#if defined(__clang__)
#define OPS_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#else
#define OPS_VECTORIZE _Pragma("GCC ivdep")
#endif

static inline double ops_div_trunc_f64(double x, double y)
{
    return ops_trunc_f64(x / y);
}

static inline float ops_div_trunc_f32(float x, float y)
{
    return ops_trunc_f32(x / y);
}

/* The n-th derivative of digamma: (-1)^(n + 1) n! zeta(n + 1, x), the Hurwitz zeta function by
 * Euler-Maclaurin summation (DLMF 25.11.5 and 5.15). The order is taken down to an integer. */
static inline double ops_polygamma_f64(double order, double x)
{
    static const double bernoulli[] = { /* (2 k)! / B_2k */
        12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9,
        7.47242496e10, -2.950130727918164224e12, 1.1646782814350067249e14,
        -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18,
    };
    const double n = ops_floor_f64(order), s = n + 1.0;
    if (!(n >= 0.0 && n <= 100.0)) {
        return NAN;
    }
    if (n == 0.0) {
        return ops_digamma_f64(x);
    }
    if (x <= 0.0 && x == __builtin_floor(x)) {
        return ((int64_t)n & 1) ? INFINITY : NAN;
    }
    if (x == (double)INFINITY) {
        return 0.0;
    }
    double sum = 0.0, a = x;
    for (; a < 12.0; a += 1.0) {
        sum += __builtin_pow(a, -s);
    }
    double power = __builtin_pow(a, -s), factor = s, scale = power / a;
    sum += power * a / (s - 1.0) + 0.5 * power;
    for (int k = 0; k < 12; ++k) {
        sum += factor * scale / bernoulli[k];
        factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
        scale /= a * a;
    }
    double value = __builtin_exp(__builtin_lgamma(s)) * sum;
    return ((int64_t)n & 1) ? value : -value;
}

static inline float ops_polygamma_f32(float order, float x)
{
    return (float)ops_polygamma_f64(order, x);
}

#endif
