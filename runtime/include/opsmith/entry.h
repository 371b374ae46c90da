/* What the entry points of a shard include: encodings, drivers, checks. */
#ifndef OPSMITH_ENTRY_H
#define OPSMITH_ENTRY_H

#include "opsmith/abi.h"
#include "opsmith/backend.h"
#include "opsmith/generator.h"
#include "opsmith/pointwise.h"
#include "opsmith/reduce.h"
#include "opsmith/rows.h"
#include "opsmith/scan.h"

/* Refuse saved tensors that were written after sequence number `seq`. */
OPS_EXPORT int ops_saved_are_valid(const char *op, ops_tensor *const *saved, int n, double seq);

static inline ops_tensor *ops_operand(double h, int64_t i, int kind, ops_number *number)
{
    return kind < 0 ? ops_from_handle(h) : ops_number_tensor(number, kind, h, i);
}

static inline int ops_any_records(const double *h, int64_t n)
{
    int any = 0;
    for (int64_t k = 0; k < n; ++k) {
        any |= h[k] < 0.0;
    }
    return any;
}

static inline int ops_host_only_list(const char *name, const double *h, int64_t n)
{
    for (int64_t k = 0; k < n; ++k) {
        ops_tensor *t = ops_from_handle(h[k]);
        if (ops_host_only(name, &t, 1)) {
            return 1;
        }
    }
    return 0;
}

/* A list's tensors and `in`, which were checked before, are to be of one device. */
static inline int ops_check_list(const char *name, ops_tensor *const *in, int given, const double *h,
                                 int64_t n, int record)
{
    int device = -1;
    if (!ops_same_device(name, in, given, &device)) {
        return 1;
    }
    for (int64_t k = 0; k < n; ++k) {
        ops_tensor *t = ops_from_handle(h[k]);
        if (ops_check_operands(name, &t, 1) || ops_check_views(&t, 1, record) ||
            !ops_same_device(name, &t, 1, &device)) {
            return 1;
        }
    }
    return 0;
}

#endif
