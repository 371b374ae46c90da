/* Index operations: one thread a row of the generated loops, which write disjoint elements. */
#ifndef OPSMITH_CUDA_INDEX_CUH
#define OPSMITH_CUDA_INDEX_CUH

#include "launch.cuh"
#include "math.cuh"

extern "C" {
#include "opsmith/index.h"
}
#include "state.cuh"

/* In C++ a null of any tensor type: `return ops_fail(...)` is what the C text says. */
struct ops_failed {
    template <class T> operator T *() const { return NULL; }
};
#define ops_fail(...) (ops_fail(__VA_ARGS__), ops_failed())

/* A position out of bounds: the first thread to find one fills in the error word, and the flag stops
 * the kernels of the same call before they read there. */
OPS_DEVICE void ops_report(int *flag, ops_error_word *word, int status, const char *format, int64_t a,
                           int64_t b = 0, int64_t c = 0)
{
    if (atomicCAS(flag, 0, 1) == 0) {
        word->status = status;
        word->format = format;
        word->value[0] = a;
        word->value[1] = b;
        word->value[2] = c;
        __threadfence_system();
        word->raised = 1;
    }
}

/* The sum of a contiguous run, in four strands. */
template <class T> OPS_DEVICE T ops_sum_run(int64_t n, const T *p)
{
    T strand[4] = {0, 0, 0, 0};
    int64_t k = 0;
    for (; k + 4 <= n; k += 4) {
#pragma unroll
        for (int s = 0; s < 4; ++s) {
            strand[s] += p[k + s];
        }
    }
    for (; k < n; ++k) {
        strand[0] += p[k];
    }
    return (strand[0] + strand[2]) + (strand[1] + strand[3]);
}

static inline dim3 ops_index_blocks(int64_t rows)
{
    return dim3((unsigned)((rows + OPS_THREADS - 1) / OPS_THREADS));
}

/* A device flag that is 0, on the current stream; null with an error set. */
static inline int *ops_index_flag(void)
{
    int *flag = (int *)ops_cuda_scratch(sizeof *flag);
    if (flag == NULL) {
        (ops_fail)(OPS_MEMORY_ERROR, "cuda out of memory");
        return NULL;
    }
    return ops_cuda_zero((char *)flag, sizeof *flag) ? flag : NULL;
}

#endif
