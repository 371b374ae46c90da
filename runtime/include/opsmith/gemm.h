/* Matrix products: c = [c +] a b, with bias and activation applied while c is in cache.
 *
 * a: (m, k), b: (k, n), element (i, j) at i * row + j * col; strides may be zero or negative.
 * c: (m, n), rows contiguous and c_row apart; it must not overlap a or b.
 * k == 0 sums nothing; m == 0 or n == 0 does nothing. NaN and infinities propagate as in plain
 * arithmetic. Results have the same bits at any thread count. */
#ifndef OPSMITH_GEMM_H
#define OPSMITH_GEMM_H

#include <stdint.h>

#pragma GCC visibility push(default)

enum ops_gemm_activation { OPS_GEMM_IDENTITY, OPS_GEMM_RELU };

typedef struct {
    const float *bias; /* (n,), or (m,) where bias_per_row; or NULL */
    int bias_per_row;
    int activation;
} ops_gemm_epilogue_f32;

typedef struct {
    const double *bias;
    int bias_per_row;
    int activation;
} ops_gemm_epilogue_f64;

/* epilogue may be NULL */
void ops_gemm_f32(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_col,
                  const float *b, int64_t b_row, int64_t b_col, float *c, int64_t c_row,
                  int accumulate, const ops_gemm_epilogue_f32 *epilogue);
void ops_gemm_f64(int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row, int64_t a_col,
                  const double *b, int64_t b_row, int64_t b_col, double *c, int64_t c_row,
                  int accumulate, const ops_gemm_epilogue_f64 *epilogue);

/* batch products, their operands *_batch elements apart (any stride for a and b). All share the
 * epilogue. */
void ops_gemm_batched_f32(int64_t batch, int64_t a_batch, int64_t b_batch, int64_t c_batch,
                          int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row,
                          int64_t a_col, const float *b, int64_t b_row, int64_t b_col, float *c,
                          int64_t c_row, int accumulate, const ops_gemm_epilogue_f32 *epilogue);
void ops_gemm_batched_f64(int64_t batch, int64_t a_batch, int64_t b_batch, int64_t c_batch,
                          int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row,
                          int64_t a_col, const double *b, int64_t b_row, int64_t b_col, double *c,
                          int64_t c_row, int accumulate, const ops_gemm_epilogue_f64 *epilogue);

/* Building blocks for other families (convolution); one thread, no scratch. */

/* c = [c +] sum over segments s and t < k of a(i, s, t) * b(s * k + t, j), with
 * a(i, s, t) = a[a_offset[s] + i * a_row + t * a_col], where a_row or a_col is 1.
 * b comes in panels of ops_gemm_columns_*() columns, each panel (segments * k, columns) and b_panel
 * elements after the last, rows b_row apart. A panel's rows are read in whole vectors, so the last
 * panel is padded to a multiple of ops_gemm_lanes_*(); what the padding holds does not matter. */
typedef struct {
    int64_t m, n, k, segments;
    const int64_t *a_offset;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row, b_panel;
    float *c;
    int64_t c_row;
    int accumulate;
} ops_gemm_segments_f32;

typedef struct {
    int64_t m, n, k, segments;
    const int64_t *a_offset;
    const double *a;
    int64_t a_row, a_col;
    const double *b;
    int64_t b_row, b_panel;
    double *c;
    int64_t c_row;
    int accumulate;
} ops_gemm_segments_f64;

void ops_gemm_run_segments_f32(const ops_gemm_segments_f32 *s);
void ops_gemm_run_segments_f64(const ops_gemm_segments_f64 *s);
int64_t ops_gemm_columns_f32(void);
int64_t ops_gemm_columns_f64(void);
int64_t ops_gemm_lanes_f32(void);
int64_t ops_gemm_lanes_f64(void);

/* y(i, j) = bias + sum over t < taps of w[t] * x[offset[t] + i * x_row + j], for i < rows and
 * j < width. Rows of x are read in whole vectors, up to ops_gemm_lanes_*() - 1 elements too far. */
void ops_gemm_run_taps_f32(int64_t rows, int64_t width, int64_t taps, const int64_t *offset,
                           const float *w, float bias, const float *x, int64_t x_row, float *y,
                           int64_t y_row);
void ops_gemm_run_taps_f64(int64_t rows, int64_t width, int64_t taps, const int64_t *offset,
                           const double *w, double bias, const double *x, int64_t x_row, double *y,
                           int64_t y_row);

/* sums(t, :) += partial sums, one a lane, of g(i, j) * x[offset[t] + i * x_row + j]; sums: (taps,
 * lanes). ops_gemm_sum_lanes_*() adds up one row of them. */
void ops_gemm_sum_taps_f32(int64_t rows, int64_t width, int64_t taps, const int64_t *offset,
                           const float *x, int64_t x_row, const float *g, int64_t g_row,
                           float *sums);
void ops_gemm_sum_taps_f64(int64_t rows, int64_t width, int64_t taps, const int64_t *offset,
                           const double *x, int64_t x_row, const double *g, int64_t g_row,
                           double *sums);
float ops_gemm_sum_lanes_f32(const float *lanes);
double ops_gemm_sum_lanes_f64(const double *lanes);

/* to(j, i) = from(i, j); from: (rows, cols), both with contiguous rows *_row apart. */
void ops_gemm_transpose_f32(int64_t rows, int64_t cols, const float *from, int64_t from_row,
                            float *to, int64_t to_row);
void ops_gemm_transpose_f64(int64_t rows, int64_t cols, const double *from, int64_t from_row,
                            double *to, int64_t to_row);

#pragma GCC visibility pop

#endif
