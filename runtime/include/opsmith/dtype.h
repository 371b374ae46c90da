/*
 * opsmith/dtype.h: the storage dtypes, their sizes and names, and the dtype each is computed in.
 * Kernels exist for compute dtypes only (f64, f32, i64, i32, bool); the other storage dtypes are
 * converted block by block on the way in and out (opsmith/convert.h).
 */
#ifndef OPSMITH_DTYPE_H
#define OPSMITH_DTYPE_H

#include <stdint.h>

#pragma GCC visibility push(default)

enum {
    OPS_F64,
    OPS_F32,
    OPS_BF16, /* the upper half of an f32 */
    OPS_F16,  /* IEEE binary16 */
    OPS_I64,
    OPS_I32,
    OPS_I16,
    OPS_I8,
    OPS_U8,
    OPS_BOOL, /* uint8_t, 0 or 1 */
    OPS_DTYPE_COUNT
};

extern const int64_t ops_dtype_size[OPS_DTYPE_COUNT]; /* bytes */

extern const char *const ops_dtype_name[OPS_DTYPE_COUNT]; /* PyTorch's names: "Double", "Float" */

extern const int ops_compute_dtype[OPS_DTYPE_COUNT];

#pragma GCC visibility pop

#endif
