/*
 * opsmith/math.h: the scalar functions that generated kernels are written in, by topic in math/.
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

#include "opsmith/math/base.h"
#include "opsmith/math/error.h"
#include "opsmith/math/exponential.h"
#include "opsmith/math/gamma.h"
#include "opsmith/math/integer.h"
#include "opsmith/math/inverse.h"
#include "opsmith/math/logarithm.h"
#include "opsmith/math/power.h"
#include "opsmith/math/remainder.h"
#include "opsmith/math/trigonometric.h"

#endif
