/* Convolution on the micro-kernels of the matrix product, without an im2col matrix.
 *
 * A band of the source is copied to a zero-padded image with channels innermost. For one row of the
 * target, the image is then a matrix a: rows are the pixels, a fixed distance apart, and columns
 * are (tap, channel), contiguous for the taps of one kernel row: ops_gemm_segments. forward gathers
 * from x. backward_input gathers from g: the positions of x that share a residue modulo the stride
 * (a phase) use the same taps, and neighbours among them read neighbours in g. backward_weight sums
 * over pixels instead.
 *
 * Groups of few channels would waste the lanes of a vector. For them ("narrow") pixels stay
 * innermost and fill the vectors. Plain loops are the reference and serve all when memory runs out.
 *
 * Included by each generated conv_<dtype>.c, after it has defined
 *   real, epilogue_t, segments_t; BAND_BYTES, CHUNK_BYTES, NARROW; OPS_CONV_NAME(function).
 * No include guard: it is a body, not an interface. */
#include "opsmith/conv_geometry.h"

#include "opsmith/conv_gather.h"
#include "opsmith/conv_plain.h"
#include "opsmith/conv_weight.h"

#ifndef OPS_REFERENCE
#define OPS_REFERENCE 0 /* 1: plain loops alone, to compare the others with */
#endif

/* One tap that meets every position: a matrix product. */
static int is_pointwise(const shape_t *s)
{
    for (int i = 0; i < 3; ++i) {
        const axis_t *a = &s->axis[i];
        if (a->kernel != 1 || a->stride != 1 || a->padding != 0 || a->in != a->out) {
            return 0;
        }
    }
    return 1;
}

void OPS_CONV_NAME(ops_conv_forward)(const ops_conv_shape *shape, const real *x, const real *w,
                                     const real *bias, real *y)
{
    const shape_t s = read_shape(shape);
    const int64_t k = s.out_channels, c = s.in_channels, pixels = s.out_pixels;
    if (s.batch * k * pixels == 0) {
        return;
    }
    if (!OPS_REFERENCE && is_pointwise(&s)) {
        for (int64_t group = 0; group < s.groups; ++group) {
            const epilogue_t add_bias = {bias ? bias + group * k : NULL, 1, OPS_GEMM_IDENTITY};
            OPS_CONV_NAME(ops_gemm_batched)(s.batch, 0, s.groups * c * pixels,
                                            s.groups * k * pixels, k, pixels, c, w + group * k * c,
                                            c, 1, x + group * c * pixels, pixels, 1,
                                            y + group * k * pixels, pixels, 0, &add_bias);
        }
        return;
    }
    gather_t t = {.shape = &s,
                  .source_channels = c,
                  .target_channels = k,
                  .source_size = {s.axis[0].in, s.axis[1].in, s.axis[2].in},
                  .target_size = {s.axis[0].out, s.axis[1].out, s.axis[2].out},
                  .source_pixels = s.in_pixels,
                  .target_pixels = pixels,
                  .source = x,
                  .w = w,
                  .bias = bias,
                  .target = y};
    if (OPS_REFERENCE || s.taps == 0 || !run_gather(&t)) { /* no taps: an image of no width */
        plain_t plain = {&s, x, w, NULL, bias, y};
        ops_parallel_for(s.batch * s.groups * k, 1, plain_forward, &plain);
    }
}

void OPS_CONV_NAME(ops_conv_backward_input)(const ops_conv_shape *shape, const real *g,
                                            const real *w, real *dx)
{
    const shape_t s = read_shape(shape);
    const int64_t k = s.out_channels, c = s.in_channels, pixels = s.in_pixels;
    if (s.batch * c * pixels == 0) {
        return;
    }
    if (!OPS_REFERENCE && is_pointwise(&s)) {
        for (int64_t group = 0; group < s.groups; ++group) {
            OPS_CONV_NAME(ops_gemm_batched)(s.batch, 0, s.groups * k * pixels,
                                            s.groups * c * pixels, c, pixels, k, w + group * k * c,
                                            1, c, g + group * k * pixels, pixels, 1,
                                            dx + group * c * pixels, pixels, 0, NULL);
        }
        return;
    }
    gather_t t = {.shape = &s,
                  .backward = 1,
                  .source_channels = k,
                  .target_channels = c,
                  .source_size = {s.axis[0].out, s.axis[1].out, s.axis[2].out},
                  .target_size = {s.axis[0].in, s.axis[1].in, s.axis[2].in},
                  .source_pixels = s.out_pixels,
                  .target_pixels = pixels,
                  .source = g,
                  .w = w,
                  .target = dx};
    if (OPS_REFERENCE || s.taps == 0 || !run_gather(&t)) { /* no taps: an image of no width */
        plain_t plain = {&s, NULL, w, g, NULL, dx};
        ops_parallel_for(s.batch * s.groups * c, 1, plain_backward_input, &plain);
    }
}

void OPS_CONV_NAME(ops_conv_backward_weight)(const ops_conv_shape *shape, const real *x,
                                             const real *g, real *dw)
{
    const shape_t s = read_shape(shape);
    const int64_t k = s.out_channels, c = s.in_channels, pixels = s.out_pixels;
    const int64_t size = s.groups * k * c * s.taps;
    if (size == 0) {
        return;
    }
    if (s.batch * pixels == 0) {
        memset(dw, 0, (size_t)size * sizeof(real));
        return;
    }
    if (!OPS_REFERENCE && is_pointwise(&s)) {
        for (int64_t i = 0; i < s.batch * s.groups; ++i) {
            OPS_CONV_NAME(ops_gemm)(k, c, pixels, g + i * k * pixels, pixels, 1, x + i * c * pixels,
                                    1, pixels, dw + i % s.groups * k * c, c, i >= s.groups, NULL);
        }
        return;
    }
    const int narrow = is_narrow(k, s.axis[2].out);
    if (OPS_REFERENCE || !(narrow ? run_scatter_narrow(&s, x, g, dw) : run_scatter(&s, x, g, dw))) {
        plain_t plain = {&s, x, NULL, g, NULL, dw};
        ops_parallel_for(s.groups * k * c, 1, plain_backward_weight, &plain);
    }
}
