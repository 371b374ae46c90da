/*
 * opsmith/convert.h: element conversion between all storage dtypes.
 *
 * Rounding and range, the same on every machine:
 *   to a float             nearest, ties to even, rounded once; overflow gives infinity (NaN where
 *                          the float has none); NaN stays NaN
 *   float to i64, i32      towards zero; NaN and out of range give the least value (as torch on x86)
 *   float to i16, i8       as to i32, then the low bits (so 0 where i32 is out of range)
 *   float to unsigned      as to i64, then the low bits; to u64 what is 2^63 or more stays itself
 *   integer to integer     the low bits
 *   to bool                x != 0 (NaN is true)
 * Source and destination must not overlap. Strides are in bytes and may be 0 (of a source) or
 * negative; elements of strided arrays need not be aligned.
 */
#ifndef OPSMITH_CONVERT_H
#define OPSMITH_CONVERT_H

#include <stdint.h>
#include <string.h>

#include "opsmith/dtype.h"

#pragma GCC visibility push(default)

/* src: (n,) of `from`, `src_stride` bytes apart; dst: (n,) of `to`, contiguous. */
void ops_convert(int to, int from, int64_t n, const void *src, int64_t src_stride, void *dst);

/* src: (lines, n) of `from`, lines `line_stride` and elements `src_stride` bytes apart, n > 0;
 * dst: (lines, n) of `to`, contiguous. */
void ops_convert_lines(int to, int from, int64_t lines, int64_t n, const void *src,
                       int64_t line_stride, int64_t src_stride, void *dst);

/* src: (n,) of `from`, contiguous; dst: (n,) of `to`, `dst_stride` bytes apart. */
void ops_convert_out(int to, int from, int64_t n, const void *src, void *dst, int64_t dst_stride);

#pragma GCC visibility pop

/* Slots (opsmith/dispatch.h): contiguous loops between a packed float and f32, by dtype. */
typedef void ops_convert_loop(int64_t n, const void *src, void *dst);
typedef struct {
    ops_convert_loop *to_f32, *of_f32;
} ops_packed_loops;
extern ops_packed_loops ops_packed_slots[OPS_DTYPE_COUNT];

/* A contiguous run of bytes. Runs between strided lines are short as a rule: no call, and the last
 * block overlaps the one before. */
static inline void ops_copy_run(char *to, const char *from, int64_t bytes)
{
    enum { BLOCK = 32, MOST = 512 };
    if (bytes < BLOCK || bytes > MOST) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    for (int64_t k = 0; k + BLOCK < bytes; k += BLOCK) {
        memcpy(to + k, from + k, BLOCK);
    }
    memcpy(to + bytes - BLOCK, from + bytes - BLOCK, BLOCK);
}

#endif
