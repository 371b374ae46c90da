/* What backward does with gradients outside of ops: add, settle, broadcast back. See
 * opsmith/boundary.h. */
#include "opsmith/abi.h"
#include "opsmith/pointwise.h"
#include "opsmith/reduce.h"

#pragma GCC visibility push(default)
#include "opsmith/boundary.h"

#define T(h) ops_from_handle(h)

static void add_f64(int64_t n, char *const *p, const ops_scalar *s, int64_t start,
                    unsigned constant)
{
    double *out = (double *)p[0];
    const double *a = (const double *)p[1], *b = (const double *)p[2];
    (void)s;
    (void)start;
    (void)constant;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] + b[k];
    }
}

static void add_f32(int64_t n, char *const *p, const ops_scalar *s, int64_t start,
                    unsigned constant)
{
    float *out = (float *)p[0];
    const float *a = (const float *)p[1], *b = (const float *)p[2];
    (void)s;
    (void)start;
    (void)constant;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] + b[k];
    }
}

static const ops_pointwise_op accumulate = {
    .name = "accumulate",
    .key = "accumulate", /* the runtime's own, on every device */
    .kernels = {add_f64, add_f32, NULL, NULL, NULL},
    .inputs = 2,
    .outputs = 1,
    .rule = OPS_RULE_COMMON,
    .cost = 0.3f,
};

/* a + g; gives both references back. Writes into `a` when nobody else can see it. */
double ops_accumulate(double ha, double hg)
{
    ops_tensor *in[] = {T(ha), T(hg)};
    ops_tensor *a = in[0], *g = in[1];
    int mine = a->refcount == 1 && a->storage->refcount == 1 && a->dtype == g->dtype &&
               ops_same_shape(a, g) && !a->storage->readonly && !ops_tensor_overlaps_itself(a);
    int diverted = ops_diverted;
    ops_diverted = 0;
    double out = ops_pointwise(&accumulate, in, 0, NULL, mine ? a : NULL, 0, 0.0);
    ops_diverted = diverted;
    ops_tensor_drop(g);
    if (!mine) {
        ops_tensor_drop(a);
    }
    return out;
}

/* A gradient fit to be kept: dense and unshared; the same handle when it already is. */
double ops_settle(double hg)
{
    ops_tensor *g = T(hg);
    if (g->refcount == 1 && g->storage->refcount == 1 && !g->storage->readonly &&
        !ops_tensor_overlaps_itself(g)) {
        return ops_to_handle(g);
    }
    double out = ops_like(hg, -1, -1, 0.0, 0);
    if (out != 0.0) {
        ops_tensor_copy(T(out), g);
    }
    ops_tensor_drop(g);
    return out;
}

static void scale_f64(int64_t n, char *const *p, const ops_scalar *s, int64_t start,
                      unsigned constant)
{
    double *out = (double *)p[0];
    const double *a = (const double *)p[1];
    const double factor = s[0].f;
    (void)start;
    (void)constant;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] * factor;
    }
}

static void scale_f32(int64_t n, char *const *p, const ops_scalar *s, int64_t start,
                      unsigned constant)
{
    float *out = (float *)p[0];
    const float *a = (const float *)p[1];
    const float factor = (float)s[0].f;
    (void)start;
    (void)constant;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] * factor;
    }
}

static const ops_pointwise_op scale = {
    .name = "scale",
    .kernels = {scale_f64, scale_f32, NULL, NULL, NULL},
    .inputs = 1,
    .outputs = 1,
    .scalars = 1,
    .rule = OPS_RULE_COMMON,
    .cost = 0.3f,
};

/* factor * g (over the number of reduced elements, when asked), broadcast back over the reduced dims
 * of the shape; consumes g. */
double ops_unreduce(double hg, uint64_t dims, int keepdim, double factor, int divide, int64_t n,
                    int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t small[4];
    const int64_t *shape = ops_ints(n, a, b, c, d, small);
    ops_tensor *g = T(hg);
    uint64_t axes;
    if (!ops_resolve_dims(dims == 0 ? (n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1) : dims, (int)n,
                          &axes)) {
        return 0.0;
    }
    if (divide) {
        double count = 1.0;
        for (int64_t k = 0; k < n; ++k) {
            count *= axes >> k & 1 ? (double)shape[k] : 1.0;
        }
        factor /= count;
    }
    if (factor != 1.0) {
        ops_scalar s = {factor, 0};
        double scaled = ops_pointwise(&scale, &g, 0, &s, NULL, 0, 0.0);
        ops_tensor_drop(g);
        if (scaled == 0.0) {
            return 0.0;
        }
        g = T(scaled);
    }
    ops_tensor *out = ops_tensor_share(g, (int)n);
    if (out == NULL) {
        return 0.0;
    }
    int at = 0;
    for (int64_t k = 0; k < n; ++k) {
        int reduced = (int)(axes >> k & 1);
        out->shape[k] = shape[k];
        out->stride[k] = reduced ? 0 : g->stride[at];
        at += !reduced || keepdim;
    }
    out->flags = 0;
    ops_tensor_refresh(out);
    ops_tensor_drop(g);
    return ops_to_handle(out);
}

#pragma GCC visibility pop
