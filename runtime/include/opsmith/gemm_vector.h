/* Part of gemm_loops.h: a vector times a matrix, where reading the matrix sets the pace. */

/* m == 1, both operands contiguous along k: `count` dot products, two vectors of sums each */
static inline __attribute__((always_inline)) void dot_columns(const product_t *p, int64_t j,
                                                              const int count)
{
    const int64_t k = p->k, whole = k / (2 * LANES) * (2 * LANES), rest = k - whole;
    const tail t0 = first_lanes(at_most(rest, LANES));
    const tail t1 = first_lanes(rest > LANES ? rest - LANES : 0);
    vec sums[4][2] = {{{0}}};
    const real *a = p->a, *b = p->b + j * p->b_col;
    for (int64_t t = 0; t < whole; t += 2 * LANES) {
        const vec a0 = load(a + t), a1 = load(a + t + LANES);
#pragma GCC unroll 4
        for (int q = 0; q < count; ++q) {
            sums[q][0] += a0 * load(b + q * p->b_col + t);
            sums[q][1] += a1 * load(b + q * p->b_col + t + LANES);
        }
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; ++q) {
        const real *column = b + q * p->b_col + whole;
        if (rest > 0) {
            sums[q][0] += load_tail(a + whole, t0) * load_tail(column, t0);
        }
        if (rest > LANES) {
            sums[q][1] += load_tail(a + whole + LANES, t1) * load_tail(column + LANES, t1);
        }
        real *c = p->c + (j + q) * p->c_col;
        const real sum = sum_lanes(sums[q][0] + sums[q][1]);
        *c = p->accumulate ? *c + sum : sum;
    }
}

static void run_dot(const product_t *p)
{
    int64_t j = 0;
    for (; j + 4 <= p->n; j += 4) {
        dot_columns(p, j, 4);
    }
    for (; j < p->n; ++j) {
        dot_columns(p, j, 1);
    }
    finish(p, 0, 0, 1, p->n);
}

/* sum: (width,) += a[t..t+count) times as many rows of b, in one pass */
static inline __attribute__((always_inline)) void
axpy_rows(real *sum, const product_t *p, int64_t j, int64_t width, int64_t t, const int count)
{
    const real *b = p->b + t * p->b_row + j;
    real a[8];
    for (int q = 0; q < count; ++q) {
        a[q] = p->a[(t + q) * p->a_col];
    }
    for (int64_t x = 0; x < width; x += LANES) {
        const int64_t lanes = at_most(width - x, LANES);
        const tail in = first_lanes(lanes);
        vec even = load(sum + x), odd = {0}; /* sum is padded to whole vectors */
        if (lanes == LANES) {
#pragma GCC unroll 8
            for (int q = 0; q < count; ++q) {
                *(q & 1 ? &odd : &even) += a[q] * load(b + q * p->b_row + x);
            }
        } else {
            for (int q = 0; q < count; ++q) {
                *(q & 1 ? &odd : &even) += a[q] * load_tail(b + q * p->b_row + x, in);
            }
        }
        store(sum + x, even + odd);
    }
}

/* m == 1, rows of b contiguous: rows of b summed eight a pass, into a block that stays in L1 */
static void run_axpy(const product_t *p)
{
    enum { BLOCK = 2048 };
    real sum[BLOCK];
    for (int64_t j = 0; j < p->n; j += BLOCK) {
        const int64_t width = at_most(p->n - j, BLOCK);
        int64_t t = 0;
        memset(sum, 0, (size_t)(ceil_div(width, LANES) * LANES) * sizeof(real));
        for (; t + 8 <= p->k; t += 8) {
            axpy_rows(sum, p, j, width, t, 8);
        }
        for (; t < p->k; ++t) {
            axpy_rows(sum, p, j, width, t, 1);
        }
        real *c = p->c + j * p->c_col;
        for (int64_t q = 0; q < width; ++q) {
            c[q * p->c_col] = p->accumulate ? c[q * p->c_col] + sum[q] : sum[q];
        }
        finish(p, 0, j, 1, width);
    }
}
