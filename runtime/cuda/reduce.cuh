/* Reductions: rows, columns and everything at once in one launch.
 *
 * A generated monoid M folds elements into short states of the compute dtype and those into wide
 * ones (double, int64), as the CPU's kernels do (opsmith/reduce.h):
 *     typedef float element;                   inside the kernel
 *     typedef ... state, wide;                 short and wide states
 *     typedef ops_list<float> results;
 *     static state map(element x, int i, block), combine(state, state, block);
 *     static wide widen(state, block), identity(block), combine_wide(wide, wide, block);
 *     static void finish(wide a, block, results &...);
 *
 * A block of 256 threads folds `across` outputs, 256 / across threads each. Where outputs are few
 * the folded space is cut into parts, one block each; the block that finishes last combines the
 * partial states, always in the same order: results have the same bits from run to run. */
#ifndef OPSMITH_CUDA_REDUCE_CUH
#define OPSMITH_CUDA_REDUCE_CUH

#include "launch.cuh"
#include "pointwise.cuh"

enum {
    OPS_REDUCE_DIMS = 16,
    OPS_REDUCE_RUN = 64,   /* elements of a thread folded in a short state */
    OPS_REDUCE_LOADS = 4,  /* in flight a thread: enough to hide memory at 2048 threads */
    OPS_REDUCE_SCALARS = 4,
};

/* Dims are fastest first. */
typedef struct ops_device_axes {
    int n;
    int wide; /* more than 2^31 positions: divide in 64 bits */
    int64_t size[OPS_REDUCE_DIMS], stride[OPS_REDUCE_DIMS], weight[OPS_REDUCE_DIMS];
    ops_divider divider[OPS_REDUCE_DIMS];
} ops_device_axes;

typedef struct ops_reduce_plan {
    ops_device_axes keep, fold;
    int64_t outputs, count;
    int64_t part; /* folded elements a part; a multiple of the threads of an output */
    int parts, across, rows;
    int dtype;
    const char *data;
    char *out[4];
    int out_dtype[4], out_size[4];
    int64_t *partial;
    unsigned *counters;
    ops_scalar s[OPS_REDUCE_SCALARS];
} ops_reduce_plan;

OPS_DEVICE void ops_axes_locate(const ops_device_axes &a, int64_t at, int64_t *offset,
                                int64_t *weight)
{
    *offset = *weight = 0;
    for (int d = 0; d < a.n; ++d) {
        int64_t up = 0;
        if (d + 1 < a.n) {
            up = a.wide ? at / a.size[d] : (int64_t)ops_divide((uint32_t)at, a.divider[d]);
        }
        const int64_t index = at - up * a.size[d];
        at = up;
        *offset += index * a.stride[d];
        *weight += index * a.weight[d];
    }
}

template <class M, class S>
OPS_DEVICE typename M::element ops_reduce_load(const ops_reduce_plan &p, const char *from)
{
    return ops_load_one<typename M::element, S>(from, p.dtype);
}

/* The elements lo, lo + step, .. below hi of the output that reads from `data` on. */
template <class M, class S>
OPS_DEVICE typename M::wide ops_reduce_fold(const ops_reduce_plan &p, const char *data, int64_t lo,
                                            int64_t hi, int step, ops_reduce_block &block)
{
    typedef typename M::element E;
    typename M::wide total = M::identity(&block);
    const bool line = p.fold.n == 1; /* positions and offsets go up evenly */
    const int64_t stride = p.fold.stride[0], weight = p.fold.weight[0];
    while (lo < hi) {
        int64_t offset = lo * stride;
        block.start = lo * weight;
        block.step = step * weight;
        int64_t run = (hi - lo + step - 1) / step;
        run = run < OPS_REDUCE_RUN ? run : OPS_REDUCE_RUN;
        if (!line) {
            ops_axes_locate(p.fold, lo, &offset, &block.start);
            run = M::POSITIONS ? 1 : run;
        }
        typename M::state a = M::map(ops_reduce_load<M, S>(p, data + offset), 0, &block);
        int k = 1;
        for (; k + OPS_REDUCE_LOADS <= run; k += OPS_REDUCE_LOADS) {
            E x[OPS_REDUCE_LOADS];
#pragma unroll
            for (int u = 0; u < OPS_REDUCE_LOADS; ++u) {
                int64_t at = offset + (int64_t)(k + u) * step * stride, unused;
                if (!line) {
                    ops_axes_locate(p.fold, lo + (int64_t)(k + u) * step, &at, &unused);
                }
                x[u] = ops_reduce_load<M, S>(p, data + at);
            }
#pragma unroll
            for (int u = 0; u < OPS_REDUCE_LOADS; ++u) {
                a = M::combine(a, M::map(x[u], k + u, &block), &block);
            }
        }
        for (; k < run; ++k) {
            int64_t at = offset + (int64_t)k * step * stride, unused;
            if (!line) {
                ops_axes_locate(p.fold, lo + (int64_t)k * step, &at, &unused);
            }
            a = M::combine(a, M::map(ops_reduce_load<M, S>(p, data + at), k, &block), &block);
        }
        total = M::combine_wide(total, M::widen(a, &block), &block);
        lo += run * step;
    }
    return total;
}

/* The states of all threads of an output in that of its first thread; every thread must call it. */
template <class M>
OPS_DEVICE typename M::wide ops_reduce_merge(typename M::wide *shared, typename M::wide a, int slot,
                                             int lane, int lanes, int across,
                                             const ops_reduce_block &block)
{
    shared[slot] = a;
    __syncthreads();
    for (int half = lanes / 2; half > 0; half /= 2) {
        if (lane < half) {
            shared[slot] = M::combine_wide(shared[slot], shared[slot + half * across], &block);
        }
        __syncthreads();
    }
    return shared[slot];
}

template <class M, class... R, int... I>
OPS_DEVICE void ops_reduce_finish(const ops_reduce_plan &p, typename M::wide a, int64_t at,
                                  const ops_reduce_block &block, ops_list<R...>, ops_indices<I...>)
{
    ops_tuple<R...> y;
    M::finish(a, &block, y.template get<I>()...);
    (ops_store_any<R>(p.out[I] + at * p.out_size[I], p.out_dtype[I], y.template get<I>()), ...);
}

template <class M, class S>
__global__ void __launch_bounds__(OPS_THREADS)
ops_reduce_grid(const __grid_constant__ ops_reduce_plan p)
{
    typedef typename M::wide wide;
    enum { WORDS = sizeof(wide) / 8 };
    __shared__ int64_t room[OPS_THREADS * WORDS];
    __shared__ int last;
    wide *const shared = (wide *)room;
    const int lanes = OPS_THREADS / p.across;
    /* Threads that read neighbouring elements are neighbours. */
    const int lane = p.rows ? threadIdx.x % lanes : threadIdx.x / p.across;
    const int mine = p.rows ? threadIdx.x / lanes : threadIdx.x % p.across;
    const int slot = lane * p.across + mine;
    const int64_t output = (int64_t)blockIdx.x * p.across + mine;
    ops_reduce_block block;
    block.start = block.step = 0;
    block.count = p.count;
    block.s = p.s;
    int64_t offset, at;
    ops_axes_locate(p.keep, output < p.outputs ? output : 0, &offset, &at);
    wide a = M::identity(&block);
    if (output < p.outputs) {
        const int64_t lo = blockIdx.y * p.part, hi = min(p.count, lo + p.part);
        a = ops_reduce_fold<M, S>(p, p.data + offset, lo + lane, hi, lanes, block);
    }
    a = ops_reduce_merge<M>(shared, a, slot, lane, lanes, p.across, block);
    if (p.parts > 1) {
        int64_t *const partial = p.partial + (int64_t)blockIdx.x * p.parts * p.across * WORDS;
        if (lane == 0) {
            int64_t words[WORDS];
            memcpy(words, &a, sizeof a);
#pragma unroll
            for (int w = 0; w < WORDS; ++w) {
                partial[((int64_t)blockIdx.y * p.across + mine) * WORDS + w] = words[w];
            }
        }
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0) {
            last = atomicAdd(&p.counters[blockIdx.x], 1u) == (unsigned)p.parts - 1;
        }
        __syncthreads();
        if (!last) {
            return;
        }
        __threadfence();
        a = M::identity(&block);
        for (int q = lane; q < p.parts; q += lanes) {
            int64_t words[WORDS];
#pragma unroll
            for (int w = 0; w < WORDS; ++w) {
                words[w] = __ldcg(&partial[((int64_t)q * p.across + mine) * WORDS + w]);
            }
            wide b;
            memcpy(&b, words, sizeof b);
            a = M::combine_wide(a, b, &block);
        }
        __syncthreads();
        a = ops_reduce_merge<M>(shared, a, slot, lane, lanes, p.across, block);
        if (threadIdx.x == 0) {
            p.counters[blockIdx.x] = 0;
        }
    }
    if (lane == 0 && output < p.outputs) {
        ops_reduce_finish<M>(p, a, at, block, typename M::results(),
                             typename ops_counted<M::results::COUNT>::type());
    }
}

/* Host --------------------------------------------------------------------------------------------- */

/* How the work is cut; defined in runtime/cuda/runtime.cu. 0 if the dims do not fit. */
int ops_reduce_cut(ops_reduce_plan *p, const ops_reduce_work *work, int scalars);

template <class M, class S>
static cudaError_t ops_reduce_run(const ops_reduce_work *work, cudaStream_t stream)
{
    ops_reduce_plan p;
    if (!ops_reduce_cut(&p, work, M::SCALARS)) {
        return ops_cuda_refuse("more than 16 dims that do not collapse");
    }
    const int64_t groups = (p.outputs + p.across - 1) / p.across;
    const int64_t bytes = groups * p.parts * p.across * (int64_t)sizeof(typename M::wide);
    if (p.parts > 1) {
        p.counters = ops_cuda_counters(groups);
        p.partial = (int64_t *)ops_cuda_scratch(bytes);
        if (p.counters == NULL || p.partial == NULL) {
            return cudaErrorMemoryAllocation;
        }
    }
    const dim3 blocks((unsigned)groups, (unsigned)p.parts);
    const cudaError_t status = ops_launch(ops_reduce_grid<M, S>, blocks, stream, p);
    if (p.parts > 1) {
        ops_cuda_scratch_free((char *)p.partial, bytes); /* for what this stream does next */
    }
    return status;
}

template <class M, class... S>
static cudaError_t ops_reduce_launch(const ops_reduce_work *work, cudaStream_t stream)
{
    cudaError_t status = cudaSuccess;
    const bool done = ((ops_stores<S>(work->dtype)
                            ? (status = ops_reduce_run<M, S>(work, stream), true)
                            : false) || ...);
    return done ? status : ops_reduce_run<M, ops_any>(work, stream);
}

#endif
