/* How the operands of rows lie in memory, and how their vectors are read and written. See rows.cuh. */
#ifndef OPSMITH_CUDA_ROWS_PLAN_CUH
#define OPSMITH_CUDA_ROWS_PLAN_CUH

#include "math.cuh"
#include "pointwise.cuh"
#include "state.cuh"

template <class Class> struct ops_full {
    typedef Class cls;
    static constexpr int LAYOUT = OPS_ROWS_FULL;
};
template <class Class> struct ops_single {
    typedef Class cls;
    static constexpr int LAYOUT = OPS_ROWS_SINGLE;
};
template <class Class> struct ops_column {
    typedef Class cls;
    static constexpr int LAYOUT = OPS_ROWS_COLUMN;
};

enum {
    OPS_ROWS_ELEMENTS = 16, /* of an operand, in the registers of a thread */
    OPS_ROWS_FOLDS = 2 * OPS_THREADS,
};

enum ops_row_form { /* how the elements of a vector are read or written */
    OPS_ROW_EACH,   /* one by one */
    OPS_ROW_VECTOR, /* at once */
    OPS_ROW_NONE    /* zero, or not wanted */
};

typedef struct ops_row_axes {
    int n;
    int wide; /* 2^31 positions or more: divide in 64 bits */
    int64_t size[OPS_PLAN_DIMS];
    ops_divider divider[OPS_PLAN_DIMS];
} ops_row_axes;

typedef struct ops_row_operand {
    char *data;
    uint8_t dtype, form;
    uint8_t column, sum; /* a column output, and which of those that are wanted */
    int64_t along[OPS_PLAN_DIMS], down[OPS_PLAN_DIMS]; /* bytes: along a row, from row to row */
} ops_row_operand;

/* Dims are fastest first. */
typedef struct ops_rows_plan {
    int64_t rows, teams;
    uint32_t n;
    int lanes, across; /* threads of a row, rows of a block */
    int columns;       /* neighbouring threads work on neighbouring rows */
    int runs;          /* vectors of all lanes that a row takes */
    int sums;          /* column outputs that are wanted */
    unsigned blocks;
    ops_row_axes along, down;
    char *partial; /* (teams, sums, n) of the compute dtype */
    ops_error_word *word;
    const char *check; /* see ops_rows_shape */
    int status;
} ops_rows_plan;

template <int N> struct ops_device_rows {
    ops_rows_plan plan;
    ops_row_operand at[N];
};

/* Out of line: rare, and long. */
static __device__ __noinline__ int64_t ops_row_locate(const ops_row_axes &a, const int64_t *stride,
                                                      int64_t at)
{
    int64_t offset = 0;
    for (int d = 0; d < a.n; ++d) {
        int64_t up = 0;
        if (d + 1 < a.n) {
            up = a.wide ? at / a.size[d] : (int64_t)ops_divide((uint32_t)at, a.divider[d]);
        }
        offset += (at - up * a.size[d]) * stride[d];
        at = up;
    }
    return offset;
}

OPS_DEVICE int64_t ops_row_offset(const ops_row_axes &a, const int64_t *stride, int64_t at)
{
    return a.n <= 1 ? at * stride[0] : ops_row_locate(a, stride, at);
}

/* The vector at position `at` of a row that starts at `base`; it lies on one line of memory. */
template <class E, class S, int V>
OPS_DEVICE void ops_row_load(const ops_rows_plan &p, const ops_row_operand &o, const char *base,
                             uint32_t at, ops_vector<E, V> &to)
{
#pragma unroll
    for (int v = 0; v < V; ++v) {
        to.at[v] = E();
    }
    if (o.form == OPS_ROW_NONE || at >= p.n) {
        return;
    }
    const char *const from = base + ops_row_offset(p.along, o.along, at);
    if constexpr (V > 1) {
        if (o.form == OPS_ROW_VECTOR && at + V <= p.n) {
            ops_convert_vector(*(const ops_vector<S, V> *)from, o.dtype, to);
            return;
        }
    }
#pragma unroll
    for (int v = 0; v < V; ++v) {
        if (at + v < p.n) {
            to.at[v] = ops_load_one<E, S>(from + v * o.along[0], o.dtype);
        }
    }
}

template <class E, class S, int V>
OPS_DEVICE void ops_row_store(const ops_rows_plan &p, const ops_row_operand &o, char *base,
                              uint32_t at, const ops_vector<E, V> &x)
{
    if (o.form == OPS_ROW_NONE || at >= p.n) {
        return;
    }
    char *const to = base + ops_row_offset(p.along, o.along, at);
    if constexpr (V > 1) {
        if (o.form == OPS_ROW_VECTOR && at + V <= p.n) {
            ops_unconvert_vector(x, o.dtype, *(ops_vector<S, V> *)to);
            return;
        }
    }
#pragma unroll
    for (int v = 0; v < V; ++v) {
        if (at + v < p.n) {
            ops_store_one<E, S>(to + v * o.along[0], o.dtype, x.at[v]);
        }
    }
}

#endif
