/* Part of gemm_loops.h: building blocks of convolution that are no matrix product, declared in
 * gemm.h. */

/* Rows of one vector that are summed at a time: enough to hide the latency of a multiply-add. */
enum { TAP_ROWS = 8 };

static inline __attribute__((always_inline)) void
run_tap_rows(const int rows, int64_t taps, const int64_t *offset, const real *w, real bias,
             const real *x, int64_t x_row, real *y, int64_t y_row, int whole, tail last)
{
    vec sums[TAP_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
        sums[i] = (vec){0} + bias;
    }
    for (int64_t t = 0; t < taps; ++t) {
        const real *from = x + offset[t];
#pragma GCC unroll 8
        for (int i = 0; i < rows; ++i) {
            sums[i] += w[t] * load(from + i * x_row);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
        if (whole) {
            store(y + i * y_row, sums[i]);
        } else {
            store_tail(y + i * y_row, last, sums[i]);
        }
    }
}

void OPS_GEMM_NAME(ops_gemm_run_taps)(int64_t rows, int64_t width, int64_t taps,
                                      const int64_t *offset, const real *w, real bias,
                                      const real *x, int64_t x_row, real *y, int64_t y_row)
{
    for (int64_t j = 0; j < width; j += LANES) {
        const int64_t lanes = at_most(width - j, LANES);
        const tail last = first_lanes(lanes);
        int64_t i = 0;
        for (; i + TAP_ROWS <= rows; i += TAP_ROWS) {
            run_tap_rows(TAP_ROWS, taps, offset, w, bias, x + i * x_row + j, x_row,
                         y + i * y_row + j, y_row, lanes == LANES, last);
        }
        for (; i + 4 <= rows; i += 4) {
            run_tap_rows(4, taps, offset, w, bias, x + i * x_row + j, x_row, y + i * y_row + j,
                         y_row, lanes == LANES, last);
        }
        for (; i + 2 <= rows; i += 2) {
            run_tap_rows(2, taps, offset, w, bias, x + i * x_row + j, x_row, y + i * y_row + j,
                         y_row, lanes == LANES, last);
        }
        if (i < rows) {
            run_tap_rows(1, taps, offset, w, bias, x + i * x_row + j, x_row, y + i * y_row + j,
                         y_row, lanes == LANES, last);
        }
    }
}

static inline __attribute__((always_inline)) void
sum_some_taps(const int taps, int64_t rows, int64_t width, const int64_t *offset, const real *x,
              int64_t x_row, const real *g, int64_t g_row, real *sums)
{
    const int64_t whole = width / LANES * LANES;
    const tail last = first_lanes(width - whole);
    vec sum[9];
#pragma GCC unroll 9
    for (int t = 0; t < taps; ++t) {
        sum[t] = load(sums + t * LANES);
    }
    for (int64_t i = 0; i < rows; ++i, x += x_row, g += g_row) {
        for (int64_t j = 0; j < whole; j += LANES) {
            const vec gradient = load(g + j);
#pragma GCC unroll 9
            for (int t = 0; t < taps; ++t) {
                sum[t] += gradient * load(x + offset[t] + j);
            }
        }
        if (whole < width) {
            const vec gradient = load_tail(g + whole, last);
#pragma GCC unroll 9
            for (int t = 0; t < taps; ++t) {
                sum[t] += gradient * load_tail(x + offset[t] + whole, last);
            }
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < taps; ++t) {
        store(sums + t * LANES, sum[t]);
    }
}

void OPS_GEMM_NAME(ops_gemm_sum_taps)(int64_t rows, int64_t width, int64_t taps,
                                      const int64_t *offset, const real *x, int64_t x_row,
                                      const real *g, int64_t g_row, real *sums)
{
    /* 9, 25 and 49 taps, the common kernels, fall into few and long groups. */
    for (int64_t t = 0, done; t < taps; t += done, offset += done, sums += done * LANES) {
        const int64_t left = taps - t;
        if (left >= 9) {
            sum_some_taps(done = 9, rows, width, offset, x, x_row, g, g_row, sums);
        } else if (left >= 7) {
            sum_some_taps(done = 7, rows, width, offset, x, x_row, g, g_row, sums);
        } else if (left >= 5) {
            sum_some_taps(done = 5, rows, width, offset, x, x_row, g, g_row, sums);
        } else if (left >= 3) {
            sum_some_taps(done = 3, rows, width, offset, x, x_row, g, g_row, sums);
        } else {
            sum_some_taps(done = 1, rows, width, offset, x, x_row, g, g_row, sums);
        }
    }
}

real OPS_GEMM_NAME(ops_gemm_sum_lanes)(const real *lanes)
{
    return sum_lanes(load(lanes));
}
