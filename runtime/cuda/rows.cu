/* How rows are cut into blocks and threads, and the sums over rows. */
#include "rows.cuh"

static int64_t power_of_two(int64_t least)
{
    int64_t p = 1;
    while (p < least) {
        p *= 2;
    }
    return p;
}

static int64_t between(int64_t lo, int64_t x, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

static int64_t inner_stride(const ops_rows_axis *axes, int n, int operand)
{
    return n > 0 ? axes[n - 1].stride[operand] : 0;
}

int ops_rows_dtype(const ops_rows_work *w)
{
    const int common = w->compute == OPS_C_F64 ? OPS_F64 : OPS_F32;
    int dtype = -2;
    for (int k = 0; k < w->operands; ++k) {
        const ops_rows_operand *o = &w->at[k];
        if (o->data == NULL) {
            continue;
        }
        if (o->want != common) { /* bool or int64 */
            if (o->dtype != o->want) {
                return -1;
            }
        } else if (dtype == -2) {
            dtype = o->dtype;
        } else if (dtype != o->dtype) {
            return -1;
        }
    }
    return dtype == -2 ? common : dtype;
}

/* Threads of a row. */
static int threads(const ops_rows_work *w, int vector, int units, int *columns)
{
    int down = 0;
    for (int k = 0; k < w->operands; ++k) {
        if (w->at[k].data != NULL && w->at[k].layout == OPS_ROWS_FULL) {
            const int64_t along = magnitude(inner_stride(w->row, w->row_axes, k));
            const int64_t next = magnitude(inner_stride(w->kept, w->kept_axes, k));
            down += next != 0 && next < along ? 1 : -1;
        }
    }
    *columns = down > 0;
    const int64_t vectors = (w->n + vector - 1) / vector;
    if (*columns) { /* a warp reads along the rows' own neighbours first */
        const int64_t side = between(1, power_of_two(w->rows), 32);
        return (int)between(1, power_of_two(vectors), OPS_THREADS / side);
    }
    /* As few as hold the row; two vectors each while a warp is enough; more when rows are few. */
    int64_t lanes = power_of_two((vectors + units - 1) / units);
    const int64_t quick = between(1, power_of_two((vectors + 1) / 2), 32);
    lanes = between(1, lanes < quick ? quick : lanes, OPS_THREADS);
    const int64_t busy = 2 * OPS_THREADS * (int64_t)ops_cuda_multiprocessors();
    while (lanes < OPS_THREADS && lanes < vectors && w->rows < busy / lanes) {
        lanes *= 2;
    }
    return (int)lanes;
}

int ops_rows_fit(const ops_rows_work *w, int vector, int units)
{
    int columns;
    if (w->row_axes > 1 && w->row[w->row_axes - 1].size % vector != 0) {
        return -1;
    }
    return w->n <= (int64_t)threads(w, vector, units, &columns) * vector * units;
}

static int fill_axes(ops_row_axes *to, const ops_rows_axis *from, int n, int64_t total)
{
    if (n > OPS_PLAN_DIMS) {
        return 0;
    }
    to->n = n;
    to->wide = total >= ((int64_t)1 << 31);
    for (int d = 0; d < n; ++d) {
        to->size[d] = from[n - 1 - d].size;
        to->divider[d] = ops_divider_of(to->size[d]);
    }
    return 1;
}

static int form_of(const ops_rows_work *w, int k, int vector)
{
    const ops_rows_operand *o = &w->at[k];
    if (o->data == NULL) {
        return OPS_ROW_NONE;
    }
    if (o->layout == OPS_ROWS_SINGLE || w->row_axes == 0) {
        return OPS_ROW_EACH;
    }
    const int64_t size = ops_dtype_size[o->dtype], bytes = vector * size;
    const int64_t whole = bytes < 16 ? bytes : 16; /* alignment of a vector */
    uint64_t bits = (uint64_t)(uintptr_t)o->data;
    for (int d = 0; d + 1 < w->row_axes; ++d) {
        bits |= (uint64_t)w->row[d].stride[k];
    }
    for (int d = 0; d < w->kept_axes; ++d) {
        bits |= (uint64_t)w->kept[d].stride[k];
    }
    return inner_stride(w->row, w->row_axes, k) == size && bits % (uint64_t)whole == 0
               ? OPS_ROW_VECTOR
               : OPS_ROW_EACH;
}

int ops_rows_cut(ops_rows_plan *p, ops_row_operand *at, const ops_rows_work *w,
                 const ops_rows_shape *shape)
{
    memset(p, 0, sizeof *p);
    if (!fill_axes(&p->along, w->row, w->row_axes, w->n) ||
        !fill_axes(&p->down, w->kept, w->kept_axes, w->rows)) {
        return 0;
    }
    p->rows = w->rows;
    p->n = (uint32_t)w->n;
    p->lanes = threads(w, shape->vector, shape->units, &p->columns);
    p->across = OPS_THREADS / p->lanes;
    const int64_t run = (int64_t)p->lanes * shape->vector * shape->units;
    p->runs = (int)((w->n + run - 1) / run);
    p->word = ops_cuda_error_word;
    p->check = shape->check;
    p->status = shape->status;
    for (int k = 0; k < w->operands; ++k) {
        const ops_rows_operand *o = &w->at[k];
        ops_row_operand *to = &at[k];
        memset(to, 0, sizeof *to);
        to->data = o->data;
        to->dtype = o->dtype;
        to->form = (uint8_t)form_of(w, k, shape->vector);
        if (k < shape->outputs && o->layout == OPS_ROWS_COLUMN && o->data != NULL) {
            to->column = 1;
            to->sum = (uint8_t)p->sums++;
        }
        for (int d = 0; d < w->row_axes; ++d) {
            to->along[d] = w->row[w->row_axes - 1 - d].stride[k];
        }
        for (int d = 0; d < w->kept_axes; ++d) {
            to->down[d] = w->kept[w->kept_axes - 1 - d].stride[k];
        }
    }
    const int64_t groups = (w->rows + p->across - 1) / p->across;
    /* Partial sums cost memory: as many teams as keep the device busy. */
    const int64_t most = p->sums ? 2 * (int64_t)ops_cuda_multiprocessors() : (int64_t)1 << 30;
    p->blocks = (unsigned)between(1, groups, most);
    p->teams = (int64_t)p->blocks * p->across;
    if (p->sums) {
        p->partial = ops_cuda_scratch(p->teams * p->sums * w->n * shape->size);
    }
    return 1;
}

/* Sums ------------------------------------------------------------------------------------------ */

enum { SUM_ACROSS = 8 }; /* neighbouring positions: a sector of memory; 32 threads share each */

/* partial: (teams, sums, n); out: (n,), of which this is sum `which`. */
template <class C>
__global__ void __launch_bounds__(OPS_THREADS)
add_teams(const C *partial, int64_t teams, int sums, int which, int64_t n, char *out, int dtype,
          int size)
{
    __shared__ double room[OPS_THREADS];
    const int mine = threadIdx.x % SUM_ACROSS, lane = threadIdx.x / SUM_ACROSS;
    const int64_t at = (int64_t)blockIdx.x * SUM_ACROSS + mine;
    double a = 0;
    if (at < n) {
        const C *from = partial + which * n + at;
        for (int64_t t = lane; t < teams; t += OPS_THREADS / SUM_ACROSS) {
            a += (double)from[t * sums * n];
        }
    }
    room[threadIdx.x] = a;
    __syncthreads();
    if (lane == 0 && at < n) {
        for (int k = SUM_ACROSS; k < OPS_THREADS; k += SUM_ACROSS) {
            a += room[k + mine];
        }
        ops_store_any<C>(out + at * size, dtype, (C)a);
    }
}

template <class C>
static cudaError_t add_all(const ops_rows_plan *p, const ops_row_operand *at, int outputs,
                           cudaStream_t stream)
{
    const dim3 blocks((p->n + SUM_ACROSS - 1) / SUM_ACROSS);
    cudaError_t status = cudaSuccess;
    for (int k = 0; k < outputs && p->n > 0; ++k) {
        if (!at[k].column) {
            continue;
        }
        const cudaError_t done = ops_launch(
            add_teams<C>, blocks, stream, (const C *)p->partial, p->teams, p->sums,
            (int)at[k].sum, (int64_t)p->n, at[k].data, (int)at[k].dtype, (int)ops_dtype_size[at[k].dtype]);
        status = status == cudaSuccess ? done : status;
    }
    return status;
}

cudaError_t ops_rows_finish(const ops_rows_plan *p, const ops_row_operand *at,
                            const ops_rows_work *w, const ops_rows_shape *shape,
                            cudaStream_t stream)
{
    const cudaError_t status = w->compute == OPS_C_F64
                                   ? add_all<double>(p, at, shape->outputs, stream)
                                   : add_all<float>(p, at, shape->outputs, stream);
    ops_cuda_scratch_free(p->partial, p->teams * p->sums * w->n * shape->size);
    return status;
}
