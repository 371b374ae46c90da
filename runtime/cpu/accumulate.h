/* What the drivers of reductions and scans share: dtypes, outputs, and the axes they walk. */
#ifndef OPSMITH_CPU_ACCUMULATE_H
#define OPSMITH_CPU_ACCUMULATE_H

#include "opsmith/reduce.h"

/* dtypes and outputs: defined in reduce.c ------------------------------------------------------ */

typedef struct ops_accumulate_dtypes {
    int compute; /* enum ops_compute: which kernels */
    int kernel;  /* storage dtype of that */
    int input;   /* of the input's elements inside the kernels */
    int result;
} ops_accumulate_dtypes;

/* `kernels`: a bit for each compute dtype that has kernels. Returns 0 with an error set. */
int ops_accumulate_choose(const char *name, int rule, int input_class, unsigned kernels, int have,
                          int asked, ops_accumulate_dtypes *t);
/* The input, or a copy of it rounded to the asked dtype; null with an error set. */
ops_tensor *ops_accumulate_source(ops_tensor *input, int asked, const ops_accumulate_dtypes *t);
int ops_accumulate_check(const char *name, ops_tensor *dst, int device, int result, int ndim,
                         const int64_t *shape);
/* dtype of an output of a class where common ones have dtype `common`. */
int ops_accumulate_stored(int output_class, int common);
/* The tensor an output is computed in: `dst` where it can be written directly. */
ops_tensor *ops_accumulate_output(const ops_tensor *input, ops_tensor *dst, int dtype, int ndim,
                                  const int64_t *shape);
/* Release `source`, complete `dst` (may be null), hand out the outputs. */
double ops_accumulate_result(ops_tensor *input, ops_tensor *source, ops_tensor **out, int outputs,
                             int output_class, ops_tensor *dst, int record, int result);

/* Axes: sorted by stride, merged where they nest ----------------------------------------------- */

typedef struct axis {
    int64_t size;
    int64_t stride; /* bytes of input */
    int64_t weight; /* of a step, in whatever walks along: elements of output, positions */
} axis;

typedef struct axes {
    int n; /* at least 1; the last one is walked fastest */
    axis at[OPS_MAX_NDIM];
} axes;

static inline int64_t magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

/* Is `a` to be walked slower than `b`? Repeated elements are walked slowest. */
static inline int slower(const axis *a, const axis *b)
{
    if (a->stride == 0 || b->stride == 0) {
        return a->stride == 0 && b->stride != 0;
    }
    return magnitude(a->stride) > magnitude(b->stride);
}

/* Dims are added in their order, which equal strides keep. */
static inline void add_axis(axes *list, int64_t size, int64_t stride, int64_t weight)
{
    if (size == 1) {
        return;
    }
    const axis added = {size, stride, weight};
    int at = list->n++;
    for (; at > 0 && slower(&added, &list->at[at - 1]); --at) {
        list->at[at] = list->at[at - 1];
    }
    list->at[at] = added;
}

static inline void merge_axes(axes *list)
{
    int n = 0;
    for (int d = 0; d < list->n; ++d) {
        const axis inner = list->at[d];
        axis *const outer = n > 0 ? &list->at[n - 1] : NULL;
        if (outer != NULL && outer->stride == inner.stride * inner.size &&
            outer->weight == inner.weight * inner.size) {
            *outer = (axis){outer->size * inner.size, inner.stride, inner.weight};
        } else {
            list->at[n++] = inner;
        }
    }
    if (n == 0) {
        list->at[n++] = (axis){1, 0, 0};
    }
    list->n = n;
}

/* Offset and weight of the position `at` in all axes but the last. */
static inline void locate(const axes *list, int64_t at, int64_t *offset, int64_t *weight)
{
    *offset = *weight = 0;
    for (int d = list->n - 2; d >= 0; --d) {
        const int64_t index = at % list->at[d].size;
        at /= list->at[d].size;
        *offset += index * list->at[d].stride;
        *weight += index * list->at[d].weight;
    }
}

static inline int64_t outer_size(const axes *list)
{
    int64_t n = 1;
    for (int d = 0; d < list->n - 1; ++d) {
        n *= list->at[d].size;
    }
    return n;
}

static inline int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

#endif
