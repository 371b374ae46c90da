/* What kernels and their launchers share: registration, fast division, launches. */
#ifndef OPSMITH_CUDA_LAUNCH_CUH
#define OPSMITH_CUDA_LAUNCH_CUH

#include "convert.cuh"

/* Launchers of one op, by compute dtype; a null has no kernel. They return the launch's error. */
typedef cudaError_t (*ops_pointwise_launcher)(const ops_plan *plan, const ops_scalar *s,
                                              cudaStream_t stream);
typedef cudaError_t (*ops_reduce_launcher)(const ops_reduce_work *work, cudaStream_t stream);
typedef cudaError_t (*ops_rows_launcher)(const ops_rows_work *work, cudaStream_t stream);

typedef union ops_launcher {
    ops_pointwise_launcher pointwise[OPS_COMPUTE_COUNT];
    ops_reduce_launcher reduce[OPS_COMPUTE_COUNT];
    ops_rows_launcher rows[2 << OPS_ROWS_VARIANTS]; /* f64 and f32, for every set of absent operands */
    void *function;
} ops_launcher;

/* A row of the generated table, sorted by key. */
typedef struct ops_cuda_entry {
    const char *key;
    const ops_launcher *launcher;
} ops_cuda_entry;

/* Scratch memory of the current stream for the launch that follows; null when there is none left. */
char *ops_cuda_scratch(int64_t nbytes);
void ops_cuda_scratch_free(char *data, int64_t nbytes);
/* Counters that are zero between launches of a stream: whoever counts up resets. */
unsigned *ops_cuda_counters(int64_t n);
int ops_cuda_multiprocessors(void);
/* Too many dims that do not collapse, and the like: the text of a cudaErrorInvalidValue. */
cudaError_t ops_cuda_refuse(const char *why);

#ifndef OPS_LAUNCH_HOST /* tests run kernels on the CPU: tests/runtime/cuda_on_host */
/* Launch blocks of OPS_THREADS threads. */
template <class... P, class... A>
static cudaError_t ops_launch(void (*grid)(P...), dim3 blocks, cudaStream_t stream, const A &...args)
{
    grid<<<blocks, OPS_THREADS, 0, stream>>>(args...);
    return cudaGetLastError();
}
#endif

/* Division by a constant of numbers below 2^31, by multiplication. */
typedef struct ops_divider {
    uint32_t divisor, multiplier, shift;
} ops_divider;

static inline ops_divider ops_divider_of(int64_t divisor)
{
    ops_divider d = {1, 1, 0};
    if (divisor > 0 && divisor < ((int64_t)1 << 31)) {
        d.divisor = (uint32_t)divisor;
        while (d.shift < 31 && ((uint64_t)1 << d.shift) < (uint64_t)divisor) {
            ++d.shift;
        }
        const uint64_t excess = ((uint64_t)1 << d.shift) - (uint64_t)divisor;
        d.multiplier = (uint32_t)((excess << 32) / (uint64_t)divisor + 1);
    }
    return d;
}

OPS_DEVICE uint32_t ops_divide(uint32_t n, ops_divider d)
{
    return (__umulhi(n, d.multiplier) + n) >> d.shift;
}

/* A list of types, and values of such types. */
template <class... T> struct ops_list {
    static constexpr int COUNT = sizeof...(T);
};

template <int I, class L> struct ops_nth;
template <class T, class... R> struct ops_nth<0, ops_list<T, R...>> { typedef T type; };
template <int I, class T, class... R> struct ops_nth<I, ops_list<T, R...>> {
    typedef typename ops_nth<I - 1, ops_list<R...>>::type type;
};

template <class... T> struct ops_tuple {};
template <class T, class... R> struct ops_tuple<T, R...> {
    T head;
    ops_tuple<R...> tail;
    template <int I> __device__ __forceinline__ auto &get()
    {
        if constexpr (I == 0) {
            return head;
        } else {
            return tail.template get<I - 1>();
        }
    }
};

template <int... I> struct ops_indices {};
template <int N, int... I> struct ops_counted : ops_counted<N - 1, N - 1, I...> {};
template <int... I> struct ops_counted<0, I...> { typedef ops_indices<I...> type; };

#endif
