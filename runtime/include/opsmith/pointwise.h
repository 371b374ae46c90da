/* Pointwise operations: a descriptor per op, one driver for shapes, dtypes, strides and threads. */
#ifndef OPSMITH_POINTWISE_H
#define OPSMITH_POINTWISE_H

#include "opsmith/abi.h"

/* p[0..outputs) are outputs (null: not wanted), then inputs; all contiguous, n elements each,
 * element types as the descriptor says. `start` is the logical index of the first element. Bit k
 * of `constant`: p[k] is one number throughout the call, all its blocks. An output may be the very
 * same memory as an input. */
typedef void (*ops_pointwise_kernel)(int64_t n, char *const *p, const ops_scalar *s, int64_t start,
                                     unsigned constant);

enum ops_rule { /* how the result dtype follows from the common dtype of the arguments */
    OPS_RULE_COMMON,
    OPS_RULE_INT_TO_FLOAT,
    OPS_RULE_INT_TO_LONG,
    OPS_RULE_BOOL_TO_LONG,
    OPS_RULE_LONG,
    OPS_RULE_BOOL
};

enum ops_operand { /* the element type an operand has inside the kernel */
    OPS_OPERAND_COMMON, /* the compute dtype; takes part in promotion */
    OPS_OPERAND_BOOL,
    OPS_OPERAND_LONG,
    OPS_OPERAND_FOLLOW /* the compute dtype, whatever its own: the entry's dtype.args leave it out */
};

typedef struct ops_pointwise_op {
    const char *name;
    const char *key; /* name and digest of the kernels: how other backends find theirs */
    ops_pointwise_kernel kernels[OPS_COMPUTE_COUNT]; /* null: not implemented for that dtype */
    uint8_t inputs, outputs, scalars;
    uint8_t cotangents; /* of a backward: how many of the inputs, at their front */
    uint8_t rule;
    uint8_t checked; /* some kernel looks at its operands first, and may ops_refuse */
    uint8_t ordered; /* the kernel reads the logical index: iterate in row-major order */
    uint8_t input_class[OPS_MAX_OPERANDS];
    uint8_t output_class[OPS_MAX_OPERANDS]; /* a backward has one for each operand */
    float cost; /* estimated nanoseconds an element, for the grain of threads */
} ops_pointwise_op;

/* Run `op` on `in` (op->inputs tensors; OPS_NUMBER tensors are Python numbers). `dst`: null, or the
 * tensor to write to (out= or in-place). `record`: some input requires grad. Returns a handle;
 * further outputs in ops_more[]. */
OPS_EXPORT double ops_pointwise(const ops_pointwise_op *op, ops_tensor *const *in, int record,
                                const ops_scalar *s, ops_tensor *dst, int inplace, double stamp);

/* Called by a kernel that finds an element it does not take; the driver makes it an error. */
OPS_EXPORT void ops_refuse(enum ops_status status, const char *text) __attribute__((cold));

/* What an op asks of a Python number given as an argument. */
enum ops_number_rule {
    OPS_NUMBER_COMMON, /* no float where the result is an integer, no boolean where it is a number */
    OPS_NUMBER_NATURAL /* not negative where the result is an integer */
};
OPS_EXPORT int ops_refuse_number(const ops_pointwise_op *op, ops_tensor *const *in,
                                 enum ops_number_rule rule, const char *name, int kind, int64_t i);

/* Backward of a pointwise op: outputs wanted by `mask`, element type and shape of the first cotangent
 * there is (broadcast with the others); an absent one counts as 0. With `consume` cotangents are
 * dropped, and the first may be written into when nobody else holds it. The first wanted output is
 * returned, the others wait in ops_more[] (0.0 for unwanted). */
OPS_EXPORT double ops_pointwise_backward(const ops_pointwise_op *op, ops_tensor *const *in,
                                         const ops_scalar *s, unsigned mask, int consume);

/* A Python number as a 0-d operand, on the caller's stack. */
typedef struct ops_number {
    union {
        double f;
        int64_t i;
        uint8_t b;
    } value;
    char *storage[16]; /* room for an ops_tensor without dims */
} ops_number;
OPS_EXPORT ops_tensor *ops_number_tensor(ops_number *n, int kind, double f, int64_t i);

/* Shared with the other families. */
OPS_EXPORT int ops_common_dtype(const char *name, ops_tensor *const *in, const uint8_t *input_class,
                                int n);
OPS_EXPORT int ops_apply_rule(int rule, int common);
/* 0: plain tensors of one device; else the status is set. */
OPS_EXPORT int ops_check_operands(const char *name, ops_tensor *const *in, int n);
/* Are all on `*device` (any if it is negative, then it is set)? Else an error is set. */
OPS_EXPORT int ops_same_device(const char *name, ops_tensor *const *in, int n, int *device);
OPS_EXPORT int ops_check_views(ops_tensor *const *in, int n, int record);

#endif
