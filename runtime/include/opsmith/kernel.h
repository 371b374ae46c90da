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

#define OPS_SPECIAL static inline
#include "opsmith/special.h"

static inline double ops_div_trunc_f64(double x, double y)
{
    return ops_trunc_f64(x / y);
}

static inline float ops_div_trunc_f32(float x, float y)
{
    return ops_trunc_f32(x / y);
}

#endif
