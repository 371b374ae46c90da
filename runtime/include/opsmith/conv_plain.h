/* Part of conv_loops.h: plain loops over rows, the reference, and the way without memory. */

typedef struct {
    const shape_t *shape;
    const real *x, *w, *g, *bias;
    real *out;
} plain_t;

/* Positions p of [0, out) with 0 <= p * stride + shift < in. */
static span_t inside(const axis_t *axis, int64_t shift)
{
    const span_t span = {shift >= 0 ? 0 : ceil_div(-shift, axis->stride),
                         at_least(at_most(axis->out, ceil_div(axis->in - shift, axis->stride)), 0)};
    return span;
}

/* Row y_row of the output meets, through taps (d, h), row *x_row of the input; 0 if outside. */
static int meets(const axis_t *axis, int64_t y_row, int64_t d, int64_t h, int64_t *x_row)
{
    const int64_t z = y_row / axis[1].out * axis[0].stride - axis[0].padding + d * axis[0].dilation;
    const int64_t y = y_row % axis[1].out * axis[1].stride - axis[1].padding + h * axis[1].dilation;
    *x_row = z * axis[1].in + y;
    return z >= 0 && z < axis[0].in && y >= 0 && y < axis[1].in;
}

/* Tasks: (image, output channel). */
static void plain_forward(int64_t lo, int64_t hi, void *arg)
{
    const plain_t *t = arg;
    const shape_t *s = t->shape;
    const axis_t *axis = s->axis;
    const int64_t channels = s->groups * s->out_channels, stride = axis[2].stride;
    for (int64_t task = lo; task < hi; ++task) {
        const int64_t o = task % channels, group = o / s->out_channels, image = task / channels;
        const real *x = t->x + (image * s->groups + group) * s->in_channels * s->in_pixels;
        for (int64_t row = 0; row < axis[0].out * axis[1].out; ++row) {
            real *y = t->out + task * s->out_pixels + row * axis[2].out;
            for (int64_t i = 0; i < axis[2].out; ++i) {
                y[i] = t->bias ? t->bias[o] : 0;
            }
            for (int64_t c = 0; c < s->in_channels; ++c) {
                const real *w = t->w + (o * s->in_channels + c) * s->taps;
                for (int64_t tap = 0; tap < s->taps; ++tap) {
                    const int64_t line = tap / axis[2].kernel;
                    const int64_t shift = tap % axis[2].kernel * axis[2].dilation - axis[2].padding;
                    const span_t span = inside(&axis[2], shift);
                    int64_t x_row;
                    if (!meets(axis, row, line / axis[1].kernel, line % axis[1].kernel, &x_row)) {
                        continue;
                    }
                    const real *from = x + c * s->in_pixels + x_row * axis[2].in + shift;
                    for (int64_t i = span.lo; i < span.hi; ++i) {
                        y[i] += w[tap] * from[i * stride];
                    }
                }
            }
        }
    }
}

/* Tasks: (image, input channel). */
static void plain_backward_input(int64_t lo, int64_t hi, void *arg)
{
    const plain_t *t = arg;
    const shape_t *s = t->shape;
    const axis_t *axis = s->axis;
    const int64_t channels = s->groups * s->in_channels, stride = axis[2].stride;
    for (int64_t task = lo; task < hi; ++task) {
        const int64_t c = task % channels % s->in_channels,
                      group = task % channels / s->in_channels;
        const int64_t image = task / channels;
        real *dx = t->out + task * s->in_pixels;
        memset(dx, 0, (size_t)s->in_pixels * sizeof(real));
        for (int64_t o = group * s->out_channels; o < (group + 1) * s->out_channels; ++o) {
            const real *w = t->w + (o * s->in_channels + c) * s->taps;
            const real *g = t->g + (image * s->groups * s->out_channels + o) * s->out_pixels;
            for (int64_t row = 0; row < axis[0].out * axis[1].out; ++row, g += axis[2].out) {
                for (int64_t tap = 0; tap < s->taps; ++tap) {
                    const int64_t line = tap / axis[2].kernel;
                    const int64_t shift = tap % axis[2].kernel * axis[2].dilation - axis[2].padding;
                    const span_t span = inside(&axis[2], shift);
                    int64_t x_row;
                    if (!meets(axis, row, line / axis[1].kernel, line % axis[1].kernel, &x_row)) {
                        continue;
                    }
                    real *to = dx + x_row * axis[2].in + shift;
                    for (int64_t i = span.lo; i < span.hi; ++i) {
                        to[i * stride] += w[tap] * g[i];
                    }
                }
            }
        }
    }
}

/* Tasks: (output channel, input channel of its group). */
static void plain_backward_weight(int64_t lo, int64_t hi, void *arg)
{
    const plain_t *t = arg;
    const shape_t *s = t->shape;
    const axis_t *axis = s->axis;
    const int64_t stride = axis[2].stride;
    for (int64_t task = lo; task < hi; ++task) {
        const int64_t o = task / s->in_channels, c = task % s->in_channels,
                      group = o / s->out_channels;
        for (int64_t tap = 0; tap < s->taps; ++tap) {
            const int64_t line = tap / axis[2].kernel;
            const int64_t shift = tap % axis[2].kernel * axis[2].dilation - axis[2].padding;
            const span_t span = inside(&axis[2], shift);
            real sum = 0;
            for (int64_t image = 0; image < s->batch; ++image) {
                const real *x =
                    t->x + ((image * s->groups + group) * s->in_channels + c) * s->in_pixels;
                const real *g = t->g + (image * s->groups * s->out_channels + o) * s->out_pixels;
                for (int64_t row = 0; row < axis[0].out * axis[1].out; ++row, g += axis[2].out) {
                    int64_t x_row;
                    if (!meets(axis, row, line / axis[1].kernel, line % axis[1].kernel, &x_row)) {
                        continue;
                    }
                    const real *from = x + x_row * axis[2].in + shift;
                    for (int64_t i = span.lo; i < span.hi; ++i) {
                        sum += g[i] * from[i * stride];
                    }
                }
            }
            t->out[task * s->taps + tap] = sum;
        }
    }
}
