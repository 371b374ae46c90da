/* The loops around the micro-kernels of a matrix product: packing, blocking, threads, vectors.
 *
 * Included by each generated gemm_<dtype>_<isa>.c, after it has defined
 *   real, vec, tail; LANES, ROWS, VECTORS, COLUMNS, KC, NC, SMALL_B, PARTIAL_LOADS;
 *   load, store, first_lanes, load_tail, store_tail, transpose_registers;
 *   job_t, tiles_by_rows, tiles_by_columns; epilogue_t, segments_t; OPS_GEMM_NAME(function).
 * No include guard: it is a body, not an interface. */
#include "opsmith/gemm_pack.h"

#include "opsmith/gemm_taps.h"
#include "opsmith/gemm_tiles.h"
#include "opsmith/gemm_vector.h"

enum {
    /* Multiply-adds: 4 us, a little less than it takes to wake a thread that sleeps. */
    WORK_PER_TASK = 1 << 19,
    /* The same where reading b sets the pace. */
    BYTES_PER_TASK = 1 << 18,
};

static void run(const product_t *p)
{
    if (p->path == DOT) {
        run_dot(p);
    } else if (p->path == AXPY) {
        run_axpy(p);
    } else if (p->path == IN_PLACE && reads_a_in_place(p)) {
        run_in_place(p, NULL);
    } else {
        const int64_t for_a = ROWS * at_most(p->k, p->path == IN_PLACE ? p->k_block : KC);
        const int64_t columns = ceil_div(at_most(p->n, NC + COLUMNS), COLUMNS) * COLUMNS;
        const int64_t for_b = p->path == IN_PLACE ? 0 : columns * at_most(p->k, KC);
        real *buffer = ops_scratch(OPS_SCRATCH_GEMM, (size_t)(for_a + for_b) * sizeof(real));
        if (!buffer) {
            run_plain(p);
        } else if (p->path == IN_PLACE) {
            run_in_place(p, buffer);
        } else {
            run_packed(p, buffer, buffer + for_b);
        }
    }
}

/* A product with one column, read as a product with one row: c' = b' a'. */
static void exchange_sides(product_t *p)
{
    const real *a = p->a;
    const int64_t m = p->m, a_row = p->a_row, a_col = p->a_col, c_row = p->c_row;
    p->a = p->b;
    p->a_col = p->b_row;
    p->a_row = p->b_col;
    p->b = a;
    p->b_row = a_col;
    p->b_col = a_row;
    p->m = p->n;
    p->n = m;
    p->c_row = p->c_col;
    p->c_col = c_row;
    p->bias_per_row = !p->bias_per_row;
}

static void choose_path(product_t *p)
{
    if (p->n == 1 && p->m > 1 && p->k > 0 && (p->a_row == 1 || (p->a_col == 1 && p->b_row == 1))) {
        exchange_sides(p);
        p->path = p->b_col == 1 ? AXPY : DOT;
    } else if (p->m == 1 && p->k > 0 && p->n > COLUMNS && p->b_col == 1) {
        p->path = AXPY;
    } else if (p->m == 1 && p->k > 0 && p->a_col == 1 && p->b_row == 1) {
        p->path = DOT;
    } else {
        const int small = p->k * p->n * (int64_t)sizeof(real) <= SMALL_B && p->k <= 4 * KC;
        const int loads = PARTIAL_LOADS || p->n % LANES == 0;
        const int in_place = p->b_col == 1 && loads && (small || p->m <= ROWS);
        p->path = in_place || p->k == 0 ? IN_PLACE : PACKED;
        p->k_block = small ? p->k : K_IN_PLACE;
    }
}

/* A grid of row_tasks by column_tasks shares of one product. */
typedef struct {
    const product_t *product;
    int64_t row_tasks, column_tasks;
} grid_t;

static void run_share(int64_t lo, int64_t hi, void *arg)
{
    const grid_t *grid = arg;
    for (int64_t task = lo; task < hi; ++task) {
        product_t p = *grid->product;
        const int64_t row = task / grid->column_tasks, column = task % grid->column_tasks;
        const int64_t tall = ceil_div(p.m, ROWS), wide = ceil_div(p.n, COLUMNS);
        const int64_t i = at_most(tall * row / grid->row_tasks * ROWS, p.m);
        const int64_t j = at_most(wide * column / grid->column_tasks * COLUMNS, p.n);
        const int64_t i_end = at_most(tall * (row + 1) / grid->row_tasks * ROWS, p.m);
        const int64_t j_end = at_most(wide * (column + 1) / grid->column_tasks * COLUMNS, p.n);
        p.m = i_end - i;
        p.n = j_end - j;
        p.a += i * p.a_row;
        p.b += j * p.b_col;
        p.c += i * p.c_row + j * p.c_col;
        if (p.bias) {
            p.bias += p.bias_per_row ? i : j;
        }
        if (p.m > 0 && p.n > 0) {
            run(&p);
        }
    }
}

/* The grid whose largest share is least: its multiply-adds, and what it packs for itself. */
static void run_on_threads(const product_t *p, int64_t tasks)
{
    enum { PACKING = 4 }; /* packing an element costs as much as this many multiply-adds a column */
    const int64_t tall = ceil_div(p->m, ROWS), wide = ceil_div(p->n, COLUMNS);
    grid_t grid = {p, 1, 1};
    int64_t best = INT64_MAX;
    for (int64_t rows = 1; rows <= at_most(tasks, tall); ++rows) {
        const int64_t columns = at_most(tasks / rows, wide);
        const int64_t share_m = ceil_div(tall, rows) * ROWS;
        const int64_t share_n = ceil_div(wide, columns) * COLUMNS;
        const int64_t cost = share_m * share_n + PACKING * (share_m + share_n);
        if (cost < best) {
            best = cost;
            grid.row_tasks = rows;
            grid.column_tasks = columns;
        }
    }
    ops_parallel_for(grid.row_tasks * grid.column_tasks, 1, run_share, &grid);
}

static void run_any(const product_t *p)
{
    const int vector = p->path == DOT || p->path == AXPY;
    const double work = (double)p->m * (double)p->n * (double)p->k;
    const double enough = vector ? BYTES_PER_TASK / sizeof(real) : WORK_PER_TASK;
    if (work < 2 * enough) {
        run(p);
        return;
    }
    const double tasks = work / enough, threads = ops_num_threads();
    if (threads == 1) {
        run(p);
    } else {
        run_on_threads(p, (int64_t)(tasks < threads ? tasks : threads));
    }
}

void OPS_GEMM_NAME(ops_gemm)(int64_t m, int64_t n, int64_t k, const real *a, int64_t a_row,
                             int64_t a_col, const real *b, int64_t b_row, int64_t b_col, real *c,
                             int64_t c_row, int accumulate, const epilogue_t *epilogue)
{
    product_t p = {m, n,     k, a,          a_row, a_col, b, b_row,  b_col,
                   c, c_row, 1, accumulate, NULL,  0,     0, PACKED, 0};
    if (m <= 0 || n <= 0) {
        return;
    }
    if (epilogue) {
        p.bias = epilogue->bias;
        p.bias_per_row = epilogue->bias_per_row;
        p.activation = epilogue->activation;
    }
    choose_path(&p);
    run_any(&p);
}

typedef struct {
    product_t first;
    int64_t a_batch, b_batch, c_batch;
} batch_t;

static void run_batch(int64_t lo, int64_t hi, void *arg)
{
    const batch_t *batch = arg;
    product_t p = batch->first;
    for (int64_t i = lo; i < hi; ++i) {
        p.a = batch->first.a + i * batch->a_batch;
        p.b = batch->first.b + i * batch->b_batch;
        p.c = batch->first.c + i * batch->c_batch;
        run(&p);
    }
}

void OPS_GEMM_NAME(ops_gemm_batched)(int64_t batch, int64_t a_batch, int64_t b_batch,
                                     int64_t c_batch, int64_t m, int64_t n, int64_t k,
                                     const real *a, int64_t a_row, int64_t a_col, const real *b,
                                     int64_t b_row, int64_t b_col, real *c, int64_t c_row,
                                     int accumulate, const epilogue_t *epilogue)
{
    const int per_row = epilogue && epilogue->bias && epilogue->bias_per_row;
    if (b_batch == 0 && a_batch == m * a_row && c_batch == m * c_row && !per_row) {
        m *= batch; /* the products lie under each other: one tall product */
        batch = at_most(batch, 1);
    }
    if (batch == 1) {
        OPS_GEMM_NAME(ops_gemm)(m, n, k, a, a_row, a_col, b, b_row, b_col, c, c_row, accumulate,
                                epilogue);
        return;
    }
    if (batch <= 0 || m <= 0 || n <= 0) {
        return;
    }
    product_t p = {m, n,     k, a,          a_row, a_col, b, b_row,  b_col,
                   c, c_row, 1, accumulate, NULL,  0,     0, PACKED, 0};
    if (epilogue) {
        p.bias = epilogue->bias;
        p.bias_per_row = epilogue->bias_per_row;
        p.activation = epilogue->activation;
    }
    choose_path(&p);
    const int exchanged = p.n != n;
    batch_t all = {p, exchanged ? b_batch : a_batch, exchanged ? a_batch : b_batch, c_batch};
    const double work = (double)m * (double)n * (double)k;
    if (batch < ops_num_threads() && work > WORK_PER_TASK) {
        for (int64_t i = 0; i < batch; ++i) {
            p.a = all.first.a + i * all.a_batch;
            p.b = all.first.b + i * all.b_batch;
            p.c = all.first.c + i * all.c_batch;
            run_any(&p);
        }
        return;
    }
    const int64_t grain = work < WORK_PER_TASK ? (int64_t)(WORK_PER_TASK / (work + 1)) + 1 : 1;
    ops_parallel_for(batch, grain, run_batch, &all);
}

void OPS_GEMM_NAME(ops_gemm_run_segments)(const segments_t *s)
{
    const int by_rows = s->a_row != 1;
    const int64_t a_step = by_rows ? s->a_row : s->a_col, panels = ceil_div(s->m, ROWS);
    const job_t job = {s->k, s->segments, s->a_offset, a_step, s->b_row, s->c_row, s->accumulate};
    for (int64_t i = 0, left = panels; left > 0; --left) {
        const int64_t rows = (s->m - i) / left;
        run_panel(&job, by_rows, rows, s->n, s->a + i * s->a_row, s->b, s->b_panel,
                  s->c + i * s->c_row);
        i += rows;
    }
}

int64_t OPS_GEMM_NAME(ops_gemm_columns)(void)
{
    return COLUMNS;
}

int64_t OPS_GEMM_NAME(ops_gemm_lanes)(void)
{
    return LANES;
}
