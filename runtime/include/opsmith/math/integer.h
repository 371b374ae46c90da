/* opsmith/math/integer.h: division, shifts, powers and divisors of integers, which wrap. */
#ifndef OPSMITH_MATH_INTEGER_H
#define OPSMITH_MATH_INTEGER_H

#include "opsmith/math/base.h"

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
