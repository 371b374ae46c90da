/* Rows: kernels that work along one set of dims, row by row.
 *
 * A generated kernel K is a functor on a row:
 *     typedef float compute;
 *     typedef ops_list<ops_full<ops_common>, ops_single<ops_common>> outputs;   layout and class
 *     typedef ops_list<ops_full<ops_common>, ops_column<ops_common>> inputs;
 *     static constexpr const char *CHECK; static constexpr int CHECK_STATUS;
 *     K(const ops_scalar *s);
 *     template <class R> void operator()(R &row) const;
 * It walks its row in passes: in each, OPS_ROWS_EACH goes through the elements that a thread has at
 * once, in `row.runs` runs; between passes `fold` makes one value of those of all threads.
 *
 * A block works on `across` rows, OPS_THREADS / across threads each: few threads for short rows, all
 * for long ones. A row that fits is held in registers and read once (HELD); any other, and every row
 * of doubles, is read again by each pass. Where neighbouring rows are neighbours in memory, so are
 * their threads.
 *
 * Column outputs add up over rows: teams of threads walk many rows each and keep partial sums, which
 * a second launch adds in a fixed order: results have the same bits from run to run. */
#ifndef OPSMITH_CUDA_ROWS_CUH
#define OPSMITH_CUDA_ROWS_CUH

#include "rows_plan.cuh"

/* How values of threads meet. */
struct ops_fold_sum {
    template <class T> OPS_DEVICE T of(T a, T b) { return a + b; }
};
struct ops_fold_prod {
    template <class T> OPS_DEVICE T of(T a, T b) { return a * b; }
};
struct ops_fold_amax {
    OPS_DEVICE double of(double a, double b) { return ops_maximum_f64(a, b); }
    OPS_DEVICE float of(float a, float b) { return ops_maximum_f32(a, b); }
};
struct ops_fold_amin {
    OPS_DEVICE double of(double a, double b) { return ops_minimum_f64(a, b); }
    OPS_DEVICE float of(float a, float b) { return ops_minimum_f32(a, b); }
};

/* What a thread has of an operand: vectors, or for one a row nothing (it is read where needed). */
template <class Operand, class C, int V, int U> struct ops_row_room {
    typedef typename ops_element<typename Operand::cls, C>::type element;
    ops_vector<element, V> at[Operand::LAYOUT == OPS_ROWS_SINGLE ? 1 : U];
};

template <class L, class C, int V, int U> struct ops_row_rooms;
template <class... Operand, class C, int V, int U>
struct ops_row_rooms<ops_list<Operand...>, C, V, U> {
    typedef ops_tuple<ops_row_room<Operand, C, V, U>...> type;
};

#define OPS_ROWS_EACH(R)                                                                           \
    _Pragma("unroll") for (int u = 0; u < R::UNITS; ++u)                                           \
        _Pragma("unroll") for (int v = 0; v < R::WIDTH; ++v)

/* A row, as one of its threads sees it. */
template <class K, class S, int V, int U, bool HELD> struct ops_row {
    typedef typename K::compute C;
    typedef typename K::outputs Outputs;
    typedef typename K::inputs Inputs;
    static constexpr int UNITS = U, WIDTH = V, OUT = Outputs::COUNT, N = OUT + Inputs::COUNT;

    const ops_device_rows<N> &p;
    int64_t *const room; /* shared: OPS_ROWS_FOLDS, in two halves that take turns */
    const int64_t n;
    const int runs;
    int lane, mine, turn;
    uint32_t start, step; /* positions: of the first vector, from one to the next */
    int64_t index;
    bool active, first; /* is there such a row? the first of this thread? */
    char *base[N];
    typename ops_row_rooms<Inputs, C, V, U>::type in;
    typename ops_row_rooms<Outputs, C, V, U>::type out, total; /* total: of columns, if HELD */

    __device__ __forceinline__ ops_row(const ops_device_rows<N> &p, int64_t *room)
        : p(p), room(room), n((int64_t)p.plan.n), runs(HELD ? 1 : p.plan.runs), turn(0), first(true)
    {
        const ops_rows_plan &plan = p.plan;
        lane = plan.columns ? threadIdx.x / plan.across : threadIdx.x % plan.lanes;
        mine = plan.columns ? threadIdx.x % plan.across : threadIdx.x / plan.lanes;
        start = (uint32_t)lane * V;
        step = (uint32_t)plan.lanes * V;
    }

    /* Go to a row. Threads without one work on the last: all of them must meet in the folds. */
    __device__ __forceinline__ void seek(int64_t row)
    {
        active = row < p.plan.rows;
        index = active ? row : p.plan.rows - 1;
#pragma unroll
        for (int q = 0; q < N; ++q) {
            base[q] = p.at[q].data + ops_row_offset(p.plan.down, p.at[q].down, index);
        }
    }

    __device__ __forceinline__ uint32_t position(int run, int u) const
    {
        return start + (uint32_t)(run * U + u) * step;
    }

    __device__ __forceinline__ int32_t at(int run, int u, int v) const
    {
        return (int32_t)(position(run, u) + (uint32_t)v);
    }

    __device__ __forceinline__ bool has(int run, int u, int v) const
    {
        return position(run, u) + (uint32_t)v < p.plan.n;
    }

    template <int I> using input = typename ops_nth<I, Inputs>::type;
    template <int I> using element = typename ops_element<typename input<I>::cls, C>::type;
    template <int I> using stored = typename ops_stored<typename input<I>::cls, S>::type;

    template <int I> __device__ __forceinline__ void fetch(int run)
    {
#pragma unroll
        for (int u = 0; u < U; ++u) {
            ops_row_load<element<I>, stored<I>, V>(p.plan, p.at[OUT + I], base[OUT + I],
                                                   position(run, u), in.template get<I>().at[u]);
        }
    }

    template <int I> __device__ __forceinline__ void keep()
    {
        if (input<I>::LAYOUT != OPS_ROWS_COLUMN || first) { /* a column is the same in every row */
            fetch<I>(0);
        }
    }

    /* At the start of a row: what all passes read. */
    template <int... I> __device__ __forceinline__ void hold()
    {
        if constexpr (HELD) {
            (keep<I>(), ...);
        }
    }

    /* At the start of a run: what it reads. */
    template <int... I> __device__ __forceinline__ void load(int run)
    {
        if constexpr (!HELD) {
            (fetch<I>(run), ...);
        }
    }

    template <int I> __device__ __forceinline__ element<I> get(int u, int v)
    {
        return in.template get<I>().at[u].at[v];
    }

    /* Of an operand with one element a row. */
    template <int I> __device__ __forceinline__ element<I> single() const
    {
        const ops_row_operand &o = p.at[OUT + I];
        return o.form == OPS_ROW_NONE ? element<I>()
                                      : ops_load_one<element<I>, stored<I>>(base[OUT + I], o.dtype);
    }

    /* Of any position of the row. */
    template <int I> __device__ __forceinline__ element<I> pick(int32_t at) const
    {
        const ops_row_operand &o = p.at[OUT + I];
        if (o.form == OPS_ROW_NONE || (uint32_t)at >= p.plan.n) {
            return element<I>();
        }
        const int64_t offset = ops_row_offset(p.plan.along, o.along, at);
        return ops_load_one<element<I>, stored<I>>(base[OUT + I] + offset, o.dtype);
    }

    template <int O> __device__ __forceinline__ void put(int u, int v, C x)
    {
        out.template get<O>().at[u].at[v] = x;
    }

    /* What the loop has put, to memory or to the sums. */
    template <int O> __device__ __forceinline__ void settle(int run)
    {
        typedef typename ops_nth<O, Outputs>::type output;
        const ops_row_operand &o = p.at[O];
        if constexpr (output::LAYOUT == OPS_ROWS_FULL) {
            if (active) {
#pragma unroll
                for (int u = 0; u < U; ++u) {
                    ops_row_store<C, typename ops_stored<typename output::cls, S>::type, V>(
                        p.plan, o, base[O], position(run, u), out.template get<O>().at[u]);
                }
            }
        } else if constexpr (HELD) {
            OPS_ROWS_EACH(ops_row) {
                C &sum = total.template get<O>().at[u].at[v];
                const C x = active ? out.template get<O>().at[u].at[v] : (C)0;
                sum = first ? x : sum + x;
            }
        } else {
            add<O>(run, out.template get<O>().at, !first);
        }
    }

    /* To partial sums that no other thread touches. */
    template <int O>
    __device__ __forceinline__ void add(int run, const ops_vector<C, V> (&x)[U], bool more)
    {
        const ops_row_operand &o = p.at[O];
        if (o.form == OPS_ROW_NONE) {
            return;
        }
        const int64_t team = (int64_t)blockIdx.x * p.plan.across + mine;
        C *const sum = (C *)p.plan.partial + (team * p.plan.sums + o.sum) * n;
        OPS_ROWS_EACH(ops_row) {
            if (has(run, u, v)) {
                C *const to = sum + position(run, u) + v;
                *to = (more ? *to : (C)0) + (HELD || active ? x[u].at[v] : (C)0);
            }
        }
    }

    template <int O> __device__ __forceinline__ void finish_one()
    {
        if constexpr (HELD && ops_nth<O, Outputs>::type::LAYOUT == OPS_ROWS_COLUMN) {
            add<O>(0, total.template get<O>().at, false);
        }
    }

    /* After the last row. */
    template <int... O> __device__ __forceinline__ void finish(ops_indices<O...>)
    {
        (finish_one<O>(), ...);
    }

    template <int... O> __device__ __forceinline__ void store(int run)
    {
        (settle<O>(run), ...);
    }

    template <int O> __device__ __forceinline__ void write(C x)
    {
        if (active && lane == 0 && p.at[O].form != OPS_ROW_NONE) {
            ops_store_one<C, S>(base[O], p.at[O].dtype, x);
        }
    }

    /* Arguments of the row that fail the op's check: reported once the host waits. The kernel goes
     * on, since it reads nothing outside the row. */
    __device__ __forceinline__ void expect(bool fine)
    {
        if (!fine && active && lane == 0) {
            p.plan.word->status = p.plan.status;
            p.plan.word->format = p.plan.check;
            __threadfence_system();
            p.plan.word->raised = 1;
        }
    }

    template <class F, class T> __device__ __forceinline__ void fold_warp(T &a)
    {
        const int lanes = p.plan.lanes < 32 ? p.plan.lanes : 32;
        for (int other = 1; other < lanes; other *= 2) {
            a = F::of(a, __shfl_xor_sync(0xffffffffu, a, other));
        }
    }

    template <class T> __device__ __forceinline__ void deposit(int slot, T a)
    {
        memcpy(&room[slot], &a, sizeof a);
    }

    /* The values of `count` slots, always in the same order. */
    template <class F, class T>
    __device__ __forceinline__ void withdraw(int slot, int count, int stride, T &a)
    {
        memcpy(&a, &room[slot], sizeof a);
        for (int k = 1; k < count; ++k) {
            T b;
            memcpy(&b, &room[slot + k * stride], sizeof b);
            a = F::of(a, b);
        }
    }

    template <class F, class T> __device__ __forceinline__ void fold_columns(T &a)
    {
        const int half = turn * OPS_THREADS;
        turn = !turn;
        deposit(half + (int)threadIdx.x, a);
        __syncthreads();
        withdraw<F>(half + mine, p.plan.lanes, p.plan.across, a);
    }

    /* One value of those of all threads of the row, in all of them. */
    template <class... F, class... T>
    __device__ __forceinline__ void fold(ops_list<F...>, T &...a)
    {
        if (p.plan.columns) {
            if (p.plan.lanes > 1) {
                (fold_columns<F>(a), ...);
            }
            return;
        }
        (fold_warp<F>(a), ...);
        if (p.plan.lanes > 32) { /* one barrier for all: the halves take turns */
            enum { WARPS = OPS_THREADS / 32 };
            static_assert(sizeof...(F) * WARPS <= OPS_THREADS, "more folds than room");
            const int warps = p.plan.lanes / 32, half = turn * OPS_THREADS;
            turn = !turn;
            int slot = half;
            if (threadIdx.x % 32 == 0) {
                ((deposit(slot + (int)threadIdx.x / 32, a), slot += WARPS), ...);
            }
            __syncthreads();
            slot = half + mine * warps;
            ((withdraw<F>(slot, warps, 1, a), slot += WARPS), ...);
        }
    }
};

template <class K, class S, int V, int U, bool HELD>
__global__ void __launch_bounds__(OPS_THREADS)
ops_rows_grid(const K kernel,
              const __grid_constant__ ops_device_rows<K::outputs::COUNT + K::inputs::COUNT> p)
{
    __shared__ int64_t room[OPS_ROWS_FOLDS];
    ops_row<K, S, V, U, HELD> row(p, room);
    const int64_t across = p.plan.across;
    for (int64_t at = blockIdx.x * across; at < p.plan.rows; at += gridDim.x * across) {
        row.seek(at + row.mine);
        kernel(row);
        row.first = false;
    }
    row.finish(typename ops_counted<K::outputs::COUNT>::type());
}

/* Host --------------------------------------------------------------------------------------------- */

/* What the host knows of a kernel. */
typedef struct ops_rows_shape {
    int vector, units; /* V, U */
    int size;          /* bytes of the compute dtype */
    int outputs;
    int status;        /* enum ops_status of a failed check, and its text or null */
    const char *check;
} ops_rows_shape;

/* The storage dtype of all common operands, bool and int64 ones stored as such; else -1. */
int ops_rows_dtype(const ops_rows_work *work);
/* Does a row fit into the registers of its threads? -1: its vectors do not even lie on lines. */
int ops_rows_fit(const ops_rows_work *work, int vector, int units);
/* How the work is cut; 0 if the dims do not fit. All in runtime/cuda/rows.cu. */
int ops_rows_cut(ops_rows_plan *p, ops_row_operand *at, const ops_rows_work *work,
                 const ops_rows_shape *shape);
/* Add the partial sums to the column outputs, and give back their memory. */
cudaError_t ops_rows_finish(const ops_rows_plan *p, const ops_row_operand *at,
                            const ops_rows_work *work, const ops_rows_shape *shape,
                            cudaStream_t stream);

template <class K, class S, int V, int U, bool HELD>
static cudaError_t ops_rows_run(const ops_rows_work *work, cudaStream_t stream)
{
    ops_device_rows<K::outputs::COUNT + K::inputs::COUNT> p;
    const ops_rows_shape shape = {
        V, U, (int)sizeof(typename K::compute), K::outputs::COUNT, K::CHECK_STATUS, K::CHECK,
    };
    if (!ops_rows_cut(&p.plan, p.at, work, &shape)) {
        return ops_cuda_refuse("more than 16 dims that do not collapse");
    }
    if (p.plan.sums > 0 && p.plan.partial == NULL) {
        return cudaErrorMemoryAllocation;
    }
    const cudaError_t status =
        ops_launch(ops_rows_grid<K, S, V, U, HELD>, dim3(p.plan.blocks), stream, K(work->s), p);
    return status != cudaSuccess || p.plan.sums == 0
               ? status
               : ops_rows_finish(&p.plan, p.at, work, &shape, stream);
}

/* Any dtypes and strides, an element at a time. */
template <class K>
static cudaError_t ops_rows_any(const ops_rows_work *work, cudaStream_t stream)
{
    return ops_rows_run<K, ops_any, 1, 1, false>(work, stream);
}

/* Common operands all stored as S. */
template <class K, class S>
static cudaError_t ops_rows_as(const ops_rows_work *work, cudaStream_t stream)
{
    constexpr int V = 16 / sizeof(S), U = OPS_ROWS_ELEMENTS * 4 / (V * sizeof(typename K::compute));
    const int fit = ops_rows_fit(work, V, U);
    if (fit < 0) {
        return ops_rows_any<K>(work, stream);
    }
    if constexpr (sizeof(typename K::compute) < 8) { /* doubles fill registers twice as fast */
        if (fit) {
            return ops_rows_run<K, S, V, U, true>(work, stream);
        }
    }
    return ops_rows_run<K, S, V, 1, false>(work, stream);
}

/* The launcher of a kernel: S are the storage types that have kernels of their own. */
template <class K, class... S>
static cudaError_t ops_rows_launch(const ops_rows_work *work, cudaStream_t stream)
{
    const int dtype = ops_rows_dtype(work);
    cudaError_t status = cudaSuccess;
    const bool done = ((ops_stores<S>(dtype)
                            ? (status = ops_rows_as<K, S>(work, stream), true)
                            : false) || ...);
    return done ? status : ops_rows_any<K>(work, stream);
}

#endif
