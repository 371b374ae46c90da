/* nonzero: positions of the elements that are not zero, in row-major order: count, then fill. */
#include "opsmith/entry.h"

enum { BLOCK = 256 }; /* elements looked at together: their flags stay in L1 */

ops_tensor *opsk_nonzero_rows(ops_tensor *input);

/* flag[k] = is element k set? */
static void flags_of(int dtype, int64_t n, const char *data, uint8_t *restrict flag)
{
#define FLAGS(NAME, type, bits)                                                                    \
    case OPS_##NAME: {                                                                             \
        const type *const p = (const type *)data;                                                  \
        for (int64_t k = 0; k < n; ++k) {                                                          \
            flag[k] = (p[k] bits) != 0;                                                            \
        }                                                                                          \
        return;                                                                                    \
    }
#define NATIVE(_, NAME, code, type, category) FLAGS(NAME, type, )
#define PACKED(NAME, code, type, e, m, finite)                                                     \
    FLAGS(NAME, type, & ((1u << (e + m)) - 1)) /* without the sign */
    switch (dtype) {
        OPS_FOR_EACH_NATIVE(NATIVE, )
        OPS_FOR_EACH_PACKED(PACKED)
    }
#undef NATIVE
#undef PACKED
#undef FLAGS
}

static int64_t count_set(const ops_tensor *t)
{
    uint8_t flag[BLOCK];
    const int64_t item = ops_itemsize(t);
    int64_t count = 0;
    for (int64_t k = 0; k < t->numel; k += BLOCK) {
        const int64_t n = t->numel - k < BLOCK ? t->numel - k : BLOCK;
        int some = 0;
        flags_of(t->dtype, n, t->data + k * item, flag);
        for (int64_t i = 0; i < n; ++i) {
            some += flag[i];
        }
        count += some;
    }
    return count;
}

/* Rows of positions, `ndim` numbers each; `position` counts the dims before the last. */
static void fill(const ops_tensor *t, int64_t *row)
{
    uint8_t flag[BLOCK];
    int32_t found[BLOCK];
    const int64_t item = ops_itemsize(t), ndim = t->ndim, inner = ndim ? t->shape[ndim - 1] : 1;
    int64_t position[OPS_MAX_NDIM] = {0};
    for (int64_t line = 0; line < t->numel; line += inner) {
        for (int64_t k = 0; k < inner; k += BLOCK) {
            const int64_t n = inner - k < BLOCK ? inner - k : BLOCK;
            int count = 0;
            flags_of(t->dtype, n, t->data + (line + k) * item, flag);
            for (int i = 0; i < n; ++i) { /* no jumps: what is set cannot be foreseen */
                found[count] = i;
                count += flag[i];
            }
            for (int i = 0; i < count; ++i) {
                for (int64_t d = 0; d < ndim - 1; ++d) {
                    row[d] = position[d];
                }
                if (ndim > 0) {
                    row[ndim - 1] = k + found[i];
                }
                row += ndim;
            }
        }
        for (int64_t d = ndim - 2; d >= 0 && ++position[d] == t->shape[d]; --d) {
            position[d] = 0;
        }
    }
}

ops_tensor *opsk_nonzero_rows(ops_tensor *input)
{
    if (!ops_devices[input->device]->has_memory) {
        return ops_fail(OPS_NOT_IMPLEMENTED, "nonzero: the size of the result depends on the values, "
                        "and a %s tensor has none", ops_devices[input->device]->name);
    }
    ops_tensor *dense = ops_tensor_dense(input, input->dtype);
    if (dense == NULL) {
        return NULL;
    }
    int64_t shape[2] = {count_set(dense), dense->ndim};
    ops_tensor *out = ops_tensor_new(OPS_I64, input->device, 2, shape);
    if (out == NULL) {
        ops_tensor_drop(dense);
        return NULL;
    }
    if (out->numel > 0) {
        fill(dense, (int64_t *)out->data);
    }
    ops_tensor_drop(dense);
    return out;
}
