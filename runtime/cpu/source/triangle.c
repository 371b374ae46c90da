/* triangle: a copy with zeros above or below a diagonal of the last two dims. */
#include "opsmith/entry.h"

ops_tensor *opsk_triangle(ops_tensor *input, int64_t diagonal, int upper);

ops_tensor *opsk_triangle(ops_tensor *input, int64_t diagonal, int upper)
{
    int n = input->ndim;
    if (n < 2) {
        return ops_fail(OPS_RUNTIME_ERROR, "%s: input tensor must have at least 2 dimensions",
                        upper ? "triu" : "tril");
    }
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, n, input->shape);
    if (out == NULL || !ops_devices[input->device]->has_memory) {
        return out;
    }
    if (!ops_tensor_copy(out, input)) {
        ops_tensor_drop(out);
        return NULL;
    }
    int64_t rows = out->shape[n - 2], columns = out->shape[n - 1], item = ops_itemsize(out);
    for (int64_t r = 0; r < (out->numel ? out->numel / columns : 0); ++r) {
        int64_t edge = r % rows + diagonal + (upper ? 0 : 1); /* the first column kept or cleared */
        edge = edge < 0 ? 0 : edge > columns ? columns : edge;
        char *row = out->data + r * columns * item;
        if (upper) {
            memset(row, 0, (size_t)(edge * item));
        } else {
            memset(row + edge * item, 0, (size_t)((columns - edge) * item));
        }
    }
    return out;
}
