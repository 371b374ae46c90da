/* Part of gemm_loops.h: a product as panels of rows times tiles of columns. */

/* Rows of a large b that a tile reads in place: each may be another page of memory. */
enum { K_IN_PLACE = 64 };

/* Which loops compute a product. Chosen from the whole product: a share of it, given to a thread,
 * must sum in the same order. */
enum path { DOT, AXPY, IN_PLACE, PACKED };

typedef struct {
    int64_t m, n, k;
    const real *a;
    int64_t a_row, a_col;
    const real *b;
    int64_t b_row, b_col;
    real *c;
    int64_t c_row, c_col; /* c_col is 1 except for the vector paths */
    int accumulate;
    const real *bias; /* or NULL */
    int bias_per_row, activation;
    enum path path;
    int64_t k_block; /* rows of b passed over at a time, read in place */
} product_t;

static void finish(const product_t *p, int64_t i, int64_t j, int64_t rows, int64_t width)
{
    for (int64_t r = i; r < i + rows; ++r) {
        real *c = p->c + r * p->c_row + j * p->c_col;
        const int64_t step = p->c_col;
        if (p->bias && p->bias_per_row) {
            for (int64_t q = 0; q < width; ++q) {
                c[q * step] += p->bias[r];
            }
        } else if (p->bias) {
            const real *bias = p->bias + j;
            for (int64_t q = 0; q < width; ++q) {
                c[q * step] += bias[q];
            }
        }
        if (p->activation == OPS_GEMM_RELU) {
            for (int64_t q = 0; q < width; ++q) {
                c[q * step] = c[q * step] < 0 ? 0 : c[q * step]; /* NaN stays */
            }
        }
    }
}

/* One panel of rows against n columns of b, b_panel elements from one COLUMNS to the next. */
static inline void run_panel(const job_t *job, int by_rows, int64_t rows, int64_t n, const real *a,
                             const real *b, int64_t b_panel, real *c)
{
    const tile_fn(*tiles)[ROWS][2] = by_rows ? tiles_by_rows : tiles_by_columns;
    for (int64_t j = 0; j < n; j += COLUMNS) {
        const int64_t width = at_most(n - j, COLUMNS), vectors = ceil_div(width, LANES);
        const int64_t last = width - (vectors - 1) * LANES;
        tiles[vectors - 1][rows - 1][last != LANES](job, a, b, c + j, first_lanes(last));
        b += b_panel;
    }
}

/* b in place: its rows are contiguous, and it stays in cache or is passed over once. */
static void run_in_place(const product_t *p, real *packed_a)
{
    static const int64_t start = 0;
    const int64_t panels = ceil_div(p->m, ROWS);
    const int epilogue = p->bias || p->activation;
    const int by_rows = !packed_a && p->a_row != 1;
    int64_t t = 0;
    do {
        const int64_t k = at_most(p->k - t, p->k_block);
        job_t job = {k,
                     1,
                     &start,
                     by_rows ? p->a_row : p->a_col,
                     p->b_row,
                     p->c_row,
                     p->accumulate || t > 0};
        for (int64_t i = 0, left = panels; left > 0; --left) {
            const int64_t rows = (p->m - i) / left;
            const real *a = p->a + i * p->a_row + t * p->a_col;
            if (packed_a) {
                pack_a(packed_a, a, p->a_row, p->a_col, rows, k);
                a = packed_a;
                job.a_step = rows;
            }
            run_panel(&job, by_rows, rows, p->n, a, p->b + t * p->b_row, COLUMNS,
                      p->c + i * p->c_row);
            if (epilogue && t + k == p->k) {
                finish(p, i, 0, rows, p->n);
            }
            i += rows;
        }
        t += k;
    } while (t < p->k);
}

static int reads_a_in_place(const product_t *p)
{
    /* Rows whose pitch is a multiple of half a page fall into few cache sets. */
    const int few_columns = p->n <= 2 * COLUMNS;
    const int spread = p->a_row * (int64_t)sizeof(real) % 2048 != 0 && p->n <= 8 * COLUMNS;
    return p->a_row == 1 || (p->a_col == 1 && (few_columns || spread)) || p->k == 0;
}

/* b packed by blocks of about (KC, NC); a packed by panels, unless a panel serves one tile only. */
static void run_packed(const product_t *p, real *packed_b, real *packed_a)
{
    static const int64_t start = 0;
    const int64_t panels = ceil_div(p->m, ROWS), k_blocks = ceil_div(p->k, KC);
    const int64_t k_step = ceil_div(p->k, k_blocks);
    const int64_t n_step = ceil_div(ceil_div(p->n, ceil_div(p->n, NC)), COLUMNS) * COLUMNS;
    const int by_rows = p->n <= COLUMNS && p->a_col == 1;
    const int epilogue = p->bias || p->activation;
    for (int64_t j = 0; j < p->n; j += n_step) {
        const int64_t n = at_most(p->n - j, n_step);
        for (int64_t t = 0; t < p->k; t += k_step) {
            const int64_t k = at_most(p->k - t, k_step);
            job_t job = {k, 1, &start, p->a_row, COLUMNS, p->c_row, p->accumulate || t > 0};
            pack_b(packed_b, p->b + t * p->b_row + j * p->b_col, p->b_row, p->b_col, k, n);
            for (int64_t i = 0, left = panels; left > 0; --left) {
                const int64_t rows = (p->m - i) / left;
                const real *a = p->a + i * p->a_row + t * p->a_col;
                if (!by_rows) {
                    pack_a(packed_a, a, p->a_row, p->a_col, rows, k);
                    a = packed_a;
                    job.a_step = rows;
                }
                run_panel(&job, by_rows, rows, n, a, packed_b, k * COLUMNS,
                          p->c + i * p->c_row + j);
                if (epilogue && t + k == p->k) {
                    finish(p, i, j, rows, n);
                }
                i += rows;
            }
        }
    }
}

/* Out of memory: no buffers, one element at a time. */
static void run_plain(const product_t *p)
{
    for (int64_t i = 0; i < p->m; ++i) {
        for (int64_t j = 0; j < p->n; ++j) {
            real *c = p->c + i * p->c_row + j * p->c_col, sum = p->accumulate ? *c : 0;
            for (int64_t t = 0; t < p->k; ++t) {
                sum += p->a[i * p->a_row + t * p->a_col] * p->b[t * p->b_row + j * p->b_col];
            }
            *c = sum;
        }
    }
    finish(p, 0, 0, p->m, p->n);
}
