/* How values cross between Python and C. Only this file and opsmithc/abi.py know the encodings.
 *
 * A tensor handle is a C double: the address of its ops_tensor (exact below 2^53), negative when
 * the tensor requires grad. A result handle is
 *     > 0            the result, not recorded
 *     < 0            the result, to be recorded
 *     < -OPS_RARE    recorded, and some operand was broadcast or converted (offset by OPS_RARE)
 *     0.0            an error or a slow path: see ops_take_status()
 */
#ifndef OPSMITH_ABI_H
#define OPSMITH_ABI_H

#include <math.h>

#include "opsmith/tensor.h"

#define OPS_RARE 1125899906842624.0 /* 2^50, above every user-space address */
#define OPS_NO_INT INT64_MIN        /* None for int? */

static inline ops_tensor *ops_from_handle(double h)
{
    return (ops_tensor *)(intptr_t)fabs(h);
}

static inline double ops_to_handle(const ops_tensor *t)
{
    return (double)(intptr_t)t;
}

static inline int ops_records(double h)
{
    return h < 0.0;
}

static inline double ops_result(const ops_tensor *t, int record, int rare)
{
    double h = (double)(intptr_t)t;
    if (!(record & ops_grad_enabled)) {
        return h;
    }
    return OPS_UNLIKELY(rare) && t ? -h - OPS_RARE : -h;
}

/* Further outputs of the last call, taken in order. */
OPS_EXPORT extern __thread double ops_more[OPS_MAX_OPERANDS];

static inline const int64_t *ops_ints(int64_t count, int64_t a, int64_t b, int64_t c, int64_t d,
                                      int64_t *small)
{
    if (OPS_UNLIKELY(count > 4)) { /* waits at the address that ops_long_ints() gave */
        return (const int64_t *)(intptr_t)a;
    }
    small[0] = a;
    small[1] = b;
    small[2] = c;
    small[3] = d;
    return small;
}

/* A Scalar argument: kind 0 int, 1 float, 2 bool. */
static inline ops_scalar ops_make_scalar(int kind, double f, int64_t i)
{
    ops_scalar s;
    s.f = kind == 1 ? f : (double)i;
    s.i = kind == 1 ? (int64_t)f : i;
    return s;
}

#endif
