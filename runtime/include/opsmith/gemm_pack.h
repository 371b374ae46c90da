/* Part of gemm_loops.h: transposition, and the packed forms of a and b. */
#include "opsmith/parallel.h"

#include <string.h>

static inline int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline real sum_lanes(vec v)
{
    real lane[LANES];
    store(lane, v);
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) {
            lane[i] += lane[i + half];
        }
    }
    return lane[0];
}

/* One tile of at most (LANES, LANES). */
static void transpose_tile(int64_t height, int64_t width, const real *from, int64_t from_row,
                           real *to, int64_t to_row)
{
    const tail in = first_lanes(width), out = first_lanes(height);
    vec r[LANES];
    if (height == LANES) {
#pragma GCC unroll 16
        for (int64_t q = 0; q < LANES; ++q) {
            r[q] = width == LANES ? load(from + q * from_row) : load_tail(from + q * from_row, in);
        }
    } else {
#pragma GCC unroll 16
        for (int64_t q = 0; q < LANES; ++q) {
            r[q] = q < height ? load_tail(from + q * from_row, in) : (vec){0};
        }
    }
    transpose_registers(r);
    if (height == LANES && width == LANES) {
#pragma GCC unroll 16
        for (int64_t q = 0; q < LANES; ++q) {
            store(to + q * to_row, r[q]);
        }
    } else {
#pragma GCC unroll 16
        for (int64_t q = 0; q < LANES; ++q) {
            if (q < width) {
                store_tail(to + q * to_row, out, r[q]);
            }
        }
    }
}

void OPS_GEMM_NAME(ops_gemm_transpose)(int64_t rows, int64_t cols, const real *from,
                                       int64_t from_row, real *to, int64_t to_row)
{
    /* Along the longer side first: then LANES rows of the other matrix are open at a time. */
    const int64_t row_tiles = ceil_div(rows, LANES), col_tiles = ceil_div(cols, LANES);
    const int by_cols = rows > cols;
    for (int64_t tile = 0; tile < row_tiles * col_tiles; ++tile) {
        const int64_t i = (by_cols ? tile % row_tiles : tile / col_tiles) * LANES;
        const int64_t j = (by_cols ? tile / row_tiles : tile % col_tiles) * LANES;
        transpose_tile(at_most(rows - i, LANES), at_most(cols - j, LANES), from + i * from_row + j,
                       from_row, to + j * to_row + i, to_row);
    }
}

/* a: (rows, k) -> packed: (k, rows) */
static void pack_a(real *packed, const real *a, int64_t a_row, int64_t a_col, int64_t rows,
                   int64_t k)
{
    if (a_col == 1) {
        OPS_GEMM_NAME(ops_gemm_transpose)(rows, k, a, a_row, packed, rows);
        return;
    }
    for (int64_t t = 0; t < k; ++t) {
        for (int64_t i = 0; i < rows; ++i) {
            packed[t * rows + i] = a[i * a_row + t * a_col];
        }
    }
}

/* b: (k, n) -> packed: panels of (k, COLUMNS), the last padded with zeros */
static void pack_b(real *packed, const real *b, int64_t b_row, int64_t b_col, int64_t k, int64_t n)
{
    const int64_t whole = n / COLUMNS * COLUMNS, rest = n - whole;
    if (rest) {
        memset(packed + whole * k, 0, (size_t)(k * COLUMNS) * sizeof(real));
    }
    if (b_col == 1) {
        for (int64_t t = 0; t < k; ++t) {
            const real *from = b + t * b_row;
            for (int64_t j = 0; j < whole; j += COLUMNS) {
                memcpy(packed + j * k + t * COLUMNS, from + j, COLUMNS * sizeof(real));
            }
            memcpy(packed + whole * k + t * COLUMNS, from + whole, (size_t)rest * sizeof(real));
        }
        return;
    }
    for (int64_t j = 0; j < n; j += COLUMNS) {
        const int64_t width = at_most(n - j, COLUMNS);
        if (b_row == 1) {
            OPS_GEMM_NAME(ops_gemm_transpose)(width, k, b + j * b_col, b_col, packed + j * k,
                                              COLUMNS);
            continue;
        }
        for (int64_t t = 0; t < k; ++t) {
            for (int64_t q = 0; q < width; ++q) {
                packed[j * k + t * COLUMNS + q] = b[t * b_row + (j + q) * b_col];
            }
        }
    }
}
