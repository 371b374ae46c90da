/* Elimination and substitution of matrices of REAL, by halves with matrix products in between:
 * included once a dtype, with REAL, NAME(x) and GEMM. `scratch` has room for half of the columns. */

/* Subtract a b from c: a: (m, k), b: (k, n), c: (m, n) of contiguous rows. */
static void NAME(subtract)(int64_t m, int64_t n, int64_t k, const REAL *a, int64_t a_row,
                           int64_t a_col, const REAL *b, int64_t b_row, REAL *c, int64_t c_row,
                           REAL *scratch)
{
    for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < k; ++j) {
            scratch[i * k + j] = -a[i * a_row + j * a_col];
        }
    }
    GEMM(m, n, k, scratch, k, 1, b, b_row, 1, c, c_row, 1, NULL);
}

/* Write the solution of t x = b over b: (n, columns), for a triangle t: (n, n). */
static void NAME(substitute)(int64_t n, int64_t columns, const REAL *t, int64_t row, int64_t col,
                             int upper, int unit, REAL *b, int64_t b_row, REAL *scratch)
{
    if (n > LEAF) {
        int64_t half = n / 2, rest = n - half;
        const REAL *corner = t + half * (row + col);
        REAL *low = b + half * b_row;
        if (upper) {
            NAME(substitute)(rest, columns, corner, row, col, 1, unit, low, b_row, scratch);
            NAME(subtract)(half, columns, rest, t + half * col, row, col, low, b_row, b, b_row,
                           scratch);
            NAME(substitute)(half, columns, t, row, col, 1, unit, b, b_row, scratch);
        } else {
            NAME(substitute)(half, columns, t, row, col, 0, unit, b, b_row, scratch);
            NAME(subtract)(rest, columns, half, t + half * row, row, col, b, b_row, low, b_row,
                           scratch);
            NAME(substitute)(rest, columns, corner, row, col, 0, unit, low, b_row, scratch);
        }
        return;
    }
    for (int64_t step = 0; step < n; ++step) {
        int64_t i = upper ? n - 1 - step : step, first = upper ? i + 1 : 0, end = upper ? n : i;
        REAL *own = b + i * b_row;
        for (int64_t k = first; k < end; ++k) {
            const REAL factor = t[i * row + k * col], *other = b + k * b_row;
            for (int64_t j = 0; j < columns; ++j) {
                own[j] -= factor * other[j];
            }
        }
        for (int64_t j = 0; !unit && j < columns; ++j) {
            own[j] /= t[i * (row + col)];
        }
    }
}

static void NAME(exchange)(int64_t n, REAL *a, REAL *b)
{
    for (int64_t j = 0; a != b && j < n; ++j) {
        const REAL kept = a[j];
        a[j] = b[j];
        b[j] = kept;
    }
}

/* Eliminate column by column; pivots count from 1, `start` rows are above a: (m, n). */
static void NAME(eliminate_few)(int64_t m, int64_t n, REAL *a, int64_t row, int32_t *pivots,
                                int64_t start)
{
    for (int64_t k = 0; k < m && k < n; ++k) {
        int64_t largest = k;
        for (int64_t i = k + 1; i < m; ++i) {
            if (ABS(a[i * row + k]) > ABS(a[largest * row + k])) {
                largest = i;
            }
        }
        pivots[k] = (int32_t)(start + largest + 1);
        REAL *own = a + k * row;
        NAME(exchange)(n, own, a + largest * row);
        for (int64_t i = k + 1; own[k] != 0 && i < m; ++i) {
            REAL *other = a + i * row;
            const REAL factor = other[k] /= own[k];
            for (int64_t j = k + 1; j < n; ++j) {
                other[j] -= factor * own[j];
            }
        }
    }
}

/* Eliminate by halves of the columns (Toledo 1997). */
static void NAME(eliminate)(int64_t m, int64_t n, REAL *a, int64_t row, int32_t *pivots,
                            int64_t start, REAL *scratch)
{
    int64_t least = m < n ? m : n, half = least / 2;
    if (least <= LEAF) {
        NAME(eliminate_few)(m, n, a, row, pivots, start);
        return;
    }
    REAL *right = a + half, *low = a + half * row;
    NAME(eliminate)(m, half, a, row, pivots, start, scratch);
    for (int64_t k = 0; k < half; ++k) {
        NAME(exchange)(n - half, right + k * row, right + (pivots[k] - 1 - start) * row);
    }
    NAME(substitute)(half, n - half, a, row, 1, 0, 1, right, row, scratch);
    NAME(subtract)(m - half, n - half, half, low, row, 1, right, row, low + half, row, scratch);
    NAME(eliminate)(m - half, n - half, low + half, row, pivots + half, start + half, scratch);
    for (int64_t k = half; k < least; ++k) {
        NAME(exchange)(half, a + k * row, a + (pivots[k] - 1 - start) * row);
    }
}

/* The first pivot that is zero, counted from 1, or 0. */
static int32_t NAME(zero_pivot)(int64_t least, const REAL *a, int64_t row)
{
    for (int64_t k = 0; k < least; ++k) {
        if (a[k * (row + 1)] == 0) {
            return (int32_t)(k + 1);
        }
    }
    return 0;
}

/* Write the solution of t x = b over b: (n, columns), dense; work: (n, n). */
static int32_t NAME(solve)(int64_t n, int64_t columns, const REAL *t, int64_t row, int64_t col,
                           REAL *b, REAL *work, int32_t *pivots, REAL *scratch)
{
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
            work[i * n + j] = t[i * row + j * col];
        }
    }
    NAME(eliminate)(n, n, work, n, pivots, 0, scratch);
    for (int64_t k = 0; k < n; ++k) {
        NAME(exchange)(columns, b + k * columns, b + (pivots[k] - 1) * columns);
    }
    NAME(substitute)(n, columns, work, n, 1, 0, 1, b, columns, scratch);
    NAME(substitute)(n, columns, work, n, 1, 1, 0, b, columns, scratch);
    return NAME(zero_pivot)(n, work, n);
}

static void NAME(unit)(int64_t n, REAL *b)
{
    for (int64_t i = 0; i < n * n; ++i) {
        b[i] = i % (n + 1) == 0;
    }
}

#undef REAL
#undef NAME
#undef GEMM
#undef ABS
