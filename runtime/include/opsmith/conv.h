/* Convolutions in one, two and three dimensions, and both of their adjoints.
 *
 * x: (batch, in_channels, in_size...), y and g: (batch, out_channels, out_size...),
 * w and dw: (out_channels, in_channels / groups, kernel...), all contiguous.
 * out[p] = sum over t of x[p * stride - padding + t * dilation] * w[t]; reads outside x are zero.
 * out_size and in_size are both given: they decide which p exist and which x exist, and need not
 * fit each other (a transposed convolution with any output_padding is backward_input, with x, y for
 * its output and input). Results have the same bits at any thread count. */
#ifndef OPSMITH_CONV_H
#define OPSMITH_CONV_H

#include <stdint.h>

#pragma GCC visibility push(default)

typedef struct {
    int64_t batch, groups, in_channels, out_channels;
    int spatial; /* 1, 2 or 3; as many entries of each array are used */
    int64_t in_size[3], kernel[3], out_size[3], stride[3], padding[3], dilation[3];
} ops_conv_shape;

/* bias: (out_channels,) or NULL */
void ops_conv_forward_f32(const ops_conv_shape *s, const float *x, const float *w,
                          const float *bias, float *y);
void ops_conv_forward_f64(const ops_conv_shape *s, const double *x, const double *w,
                          const double *bias, double *y);

void ops_conv_backward_input_f32(const ops_conv_shape *s, const float *g, const float *w,
                                 float *dx);
void ops_conv_backward_input_f64(const ops_conv_shape *s, const double *g, const double *w,
                                 double *dx);

void ops_conv_backward_weight_f32(const ops_conv_shape *s, const float *x, const float *g,
                                  float *dw);
void ops_conv_backward_weight_f64(const ops_conv_shape *s, const double *x, const double *g,
                                  double *dw);

#pragma GCC visibility pop

#endif
