/*
 * opsmith/dtype.h: the storage dtypes, their sizes and names, and the dtype each is computed in.
 * Kernels exist for compute dtypes only (f64, f32, i64, i32, bool); the other storage dtypes are
 * converted block by block on the way in and out (opsmith/convert.h).
 *
 * The table itself is codegen/opsmithc/dtypes.py; dtype_table.h and the arrays below are generated
 * from it. Dtypes are numbered floats first, bool last.
 */
#ifndef OPSMITH_DTYPE_H
#define OPSMITH_DTYPE_H

#include <stdint.h>

#include "opsmith/dtype_table.h"

#pragma GCC visibility push(default)

extern const int64_t ops_dtype_size[OPS_DTYPE_COUNT]; /* bytes */

extern const char *const ops_dtype_name[OPS_DTYPE_COUNT]; /* PyTorch's names: "Double", "Float" */

extern const char *const ops_dtype_spelling[OPS_DTYPE_COUNT]; /* C++'s names: some messages have them */

extern const int ops_compute_dtype[OPS_DTYPE_COUNT];

extern const uint8_t ops_compute_index[OPS_DTYPE_COUNT]; /* storage dtype -> enum ops_compute */

extern const uint8_t ops_compute_storage[OPS_COMPUTE_COUNT]; /* and its storage dtype */

extern const uint8_t ops_promote[OPS_DTYPE_COUNT][OPS_DTYPE_COUNT]; /* the dtype that holds both */

#pragma GCC visibility pop

static inline int ops_is_float(int dtype)
{
    return dtype < OPS_FLOAT_COUNT;
}

/* A float that is stored as bits C has no arithmetic for? */
static inline int ops_is_packed(int dtype)
{
#define OPS_IS(NAME, ...) || dtype == OPS_##NAME
    return 0 OPS_FOR_EACH_PACKED(OPS_IS);
#undef OPS_IS
}

/* The kinds from the lowest up: 0 bool, 1 integer, 2 float. */
static inline int ops_kind_rank(int dtype)
{
    return dtype == OPS_BOOL ? 0 : ops_is_float(dtype) ? 2 : 1;
}

#endif
