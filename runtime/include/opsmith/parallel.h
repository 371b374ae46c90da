/* Threads of the CPU backend: one pool a process, and scratch memory each thread keeps. */
#ifndef OPSMITH_PARALLEL_H
#define OPSMITH_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

typedef void (*ops_range_fn)(int64_t lo, int64_t hi, void *arg);

/* Calls body over disjoint ranges that cover [0, n). Every range starts at a multiple of grain;
 * how many grains make a range depends on the number of threads. Runs as one call body(0, n) when
 * n <= grain, with one thread, inside another parallel region, or while another thread has the
 * pool. A body whose elements are independent may use this; a reduction uses the next function. */
void ops_parallel_for(int64_t n, int64_t grain, ops_range_fn body, void *arg);

/* As above, over block indices. The caller derives each block's boundaries from the problem alone
 * and keeps one partial result a block, so a reduction gives the same bits at any thread count. */
void ops_parallel_blocks(int64_t nblocks, ops_range_fn body, void *arg);

/* Threads a region may use, the caller's included. Default: OPSMITH_NUM_THREADS, else the CPUs of
 * the affinity mask. OPSMITH_PIN_THREADS=1 binds each worker to one of those CPUs; the calling
 * thread is never bound. */
int ops_num_threads(void);
void ops_set_num_threads(int n);

/* Each user of scratch has its own slot: conv holds one buffer that its tasks share and one a task,
 * while it calls gemm. */
enum ops_scratch_slot {
    OPS_SCRATCH_GEMM,
    OPS_SCRATCH_CONV,
    OPS_SCRATCH_CONV_TASK,
    OPS_SCRATCH_BLOCKS, /* operands converted block-wise by the pointwise driver */
    OPS_SCRATCH_COPY,
    OPS_SCRATCH_OTHER,
    OPS_SCRATCH_SLOTS
};

/* Memory of the calling thread, 64-byte aligned, contents undefined, valid until the same thread
 * asks for the same slot again. Grows and is kept; freed when the thread ends. NULL if out of
 * memory. */
void *ops_scratch(enum ops_scratch_slot slot, size_t bytes);

#pragma GCC visibility pop

#endif
