/* How the C kernels of rows fold their lanes: vector code of the compiler's own extensions. */
#ifndef OPSMITH_ROWS_FOLD_H
#define OPSMITH_ROWS_FOLD_H

#include <string.h>

#include "opsmith/rows.h"

/* Lanes folded to one value, half by half; `lanes` is a power of two and at least a vector. The last
 * vector is folded in registers: through memory every step would wait for a store. */
#define OPS_ROWS_VECTOR(type, code, bits, lanes)                                                  \
    typedef type ops_##code##x##lanes __attribute__((vector_size(lanes * sizeof(type))));         \
    typedef bits ops_##code##b##lanes __attribute__((vector_size(lanes * sizeof(type))));

OPS_ROWS_VECTOR(float, f32, int32_t, 16)
OPS_ROWS_VECTOR(float, f32, int32_t, 8)
OPS_ROWS_VECTOR(float, f32, int32_t, 4)
OPS_ROWS_VECTOR(double, f64, int64_t, 8)
OPS_ROWS_VECTOR(double, f64, int64_t, 4)
OPS_ROWS_VECTOR(double, f64, int64_t, 2)

/* x where the mask is set, else y; NaN of either stays, as in ops_maximum and ops_minimum. */
#define OPS_ROWS_PICK(V, B, mask, x, y) ((V)(((B)(x) & (mask)) | ((B)(y) & ~(mask))))
#define OPS_ROWS_SUM(V, B, x, y) ((x) + (y))
#define OPS_ROWS_PROD(V, B, x, y) ((x) * (y))
#define OPS_ROWS_AMAX(V, B, x, y) OPS_ROWS_PICK(V, B, ((x) >= (y)) | ((x) != (x)), x, y)
#define OPS_ROWS_AMIN(V, B, x, y) OPS_ROWS_PICK(V, B, ((x) <= (y)) | ((x) != (x)), x, y)

#define OPS_ROWS_FOLD(kind, COMBINE)                                                              \
    static inline __attribute__((always_inline, unused)) float ops_fold_##kind##_f32(             \
        const float *a, const int lanes)                                                          \
    {                                                                                             \
        ops_f32x16 v;                                                                             \
        memcpy(&v, a, sizeof v);                                                                  \
        for (int k = 16; k < lanes; k += 16) {                                                    \
            ops_f32x16 w;                                                                         \
            memcpy(&w, a + k, sizeof w);                                                          \
            v = COMBINE(ops_f32x16, ops_f32b16, v, w);                                            \
        }                                                                                         \
        const ops_f32x8 l8 = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);               \
        const ops_f32x8 h8 = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);         \
        const ops_f32x8 v8 = COMBINE(ops_f32x8, ops_f32b8, l8, h8);                               \
        const ops_f32x4 l4 = __builtin_shufflevector(v8, v8, 0, 1, 2, 3);                         \
        const ops_f32x4 h4 = __builtin_shufflevector(v8, v8, 4, 5, 6, 7);                         \
        const ops_f32x4 v4 = COMBINE(ops_f32x4, ops_f32b4, l4, h4);                               \
        const ops_f32x4 s4 = __builtin_shufflevector(v4, v4, 2, 3, 0, 1);                         \
        const ops_f32x4 v2 = COMBINE(ops_f32x4, ops_f32b4, v4, s4);                               \
        const ops_f32x4 s2 = __builtin_shufflevector(v2, v2, 1, 0, 3, 2);                         \
        return COMBINE(ops_f32x4, ops_f32b4, v2, s2)[0];                                          \
    }                                                                                             \
    static inline __attribute__((always_inline, unused)) double ops_fold_##kind##_f64(            \
        const double *a, const int lanes)                                                         \
    {                                                                                             \
        ops_f64x8 v;                                                                              \
        memcpy(&v, a, sizeof v);                                                                  \
        for (int k = 8; k < lanes; k += 8) {                                                      \
            ops_f64x8 w;                                                                          \
            memcpy(&w, a + k, sizeof w);                                                          \
            v = COMBINE(ops_f64x8, ops_f64b8, v, w);                                              \
        }                                                                                         \
        const ops_f64x4 l4 = __builtin_shufflevector(v, v, 0, 1, 2, 3);                           \
        const ops_f64x4 h4 = __builtin_shufflevector(v, v, 4, 5, 6, 7);                           \
        const ops_f64x4 v4 = COMBINE(ops_f64x4, ops_f64b4, l4, h4);                               \
        const ops_f64x2 l2 = __builtin_shufflevector(v4, v4, 0, 1);                               \
        const ops_f64x2 h2 = __builtin_shufflevector(v4, v4, 2, 3);                               \
        const ops_f64x2 v2 = COMBINE(ops_f64x2, ops_f64b2, l2, h2);                               \
        const ops_f64x2 s2 = __builtin_shufflevector(v2, v2, 1, 0);                               \
        return COMBINE(ops_f64x2, ops_f64b2, v2, s2)[0];                                          \
    }

/* Short rows fill one vector of the lanes only. */
#define OPS_ROWS_FOLDED(kind, a, n, many, few)                                                    \
    ((n) < (many) ? ops_fold_##kind(a, few) : ops_fold_##kind(a, many))

OPS_ROWS_FOLD(sum, OPS_ROWS_SUM)
OPS_ROWS_FOLD(prod, OPS_ROWS_PROD)
OPS_ROWS_FOLD(amax, OPS_ROWS_AMAX)
OPS_ROWS_FOLD(amin, OPS_ROWS_AMIN)

#endif
