/* Order of elements: every dtype's elements as unsigned keys whose order is the elements' order.
 *
 * NaN comes last and all NaN are equal; -0 and +0 are equal. A descending order is the complement
 * of the keys. An entry is a key and where it came from; entries are ordered by both, so every sort
 * here is stable and gives the same result on every machine. */
#ifndef OPSMITH_ORDER_H
#define OPSMITH_ORDER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "opsmith/dtype.h"

typedef struct ops_entry {
    uint64_t key;
    int64_t at;
} ops_entry;

#define OPS_KEY_NAN UINT64_MAX /* of a float: greater than the key of infinity */

static inline uint64_t ops_key_f64(double v)
{
    uint64_t b;
    if (v != v) {
        return OPS_KEY_NAN;
    }
    v += 0.0; /* -0 becomes +0 */
    memcpy(&b, &v, sizeof b);
    return b >> 63 ? ~b : b | (uint64_t)1 << 63;
}

static inline uint64_t ops_key_f32(float v)
{
    uint32_t b;
    if (v != v) {
        return OPS_KEY_NAN;
    }
    v += 0.0f;
    memcpy(&b, &v, sizeof b);
    return b >> 31 ? (uint32_t)~b : b | (uint32_t)1 << 31;
}

/* Of a packed float: `sign` is its sign bit, `top` the bits of its greatest value. */
static inline uint64_t ops_key_packed(uint32_t b, uint32_t sign, uint32_t top)
{
    uint32_t magnitude = b & (sign - 1);
    if (magnitude > top) {
        return OPS_KEY_NAN;
    }
    return b & sign && magnitude ? sign - magnitude : sign + magnitude;
}

static inline uint64_t ops_key_int(int64_t v)
{
    return (uint64_t)v ^ (uint64_t)1 << 63;
}

#define OPS_KEY_FLOAT(v) _Generic((v), double: ops_key_f64, default: ops_key_f32)(v)
#define OPS_KEY_INT(v) ops_key_int(v)
#define OPS_KEY_UINT(v) (uint64_t)(v)
#define OPS_KEY_BOOL(v) (uint64_t)(v)

/* Keys of n elements `stride` bytes apart, XORed with `flip` (0, or all ones: descending). */
static inline void ops_entries(int dtype, int64_t n, const char *p, int64_t stride, uint64_t flip,
                               ops_entry *out)
{
#define OPS_EACH(NAME, type, key_of)                                                               \
    case OPS_##NAME:                                                                               \
        for (int64_t k = 0; k < n; ++k) {                                                          \
            const type v = *(const type *)(p + k * stride);                                        \
            out[k].key = (key_of) ^ flip;                                                          \
            out[k].at = k;                                                                         \
        }                                                                                          \
        break;
#define OPS_NATIVE(_, NAME, code, type, category) OPS_EACH(NAME, type, OPS_KEY_##category(v))
#define OPS_PACKED(NAME, code, type, e, m, finite)                                                 \
    OPS_EACH(NAME, type, ops_key_packed(v, 1u << (e + m), finite ? (1u << (e + m)) - 2             \
                                                                 : ((1u << e) - 1) << m))
    switch (dtype) {
        OPS_FOR_EACH_NATIVE(OPS_NATIVE, )
        OPS_FOR_EACH_PACKED(OPS_PACKED)
    }
#undef OPS_EACH
#undef OPS_NATIVE
#undef OPS_PACKED
}

static inline int ops_entry_less(ops_entry a, ops_entry b)
{
    return a.key < b.key || (a.key == b.key && a.at < b.at);
}

/* Runs of 16 by insertion, then merges; `spare` has room for n. */
static inline void ops_merge_sort(int64_t n, ops_entry *x, ops_entry *spare)
{
    enum { RUN = 16 };
    for (int64_t lo = 0; lo < n; lo += RUN) {
        int64_t hi = lo + RUN < n ? lo + RUN : n;
        for (int64_t k = lo + 1; k < hi; ++k) {
            ops_entry v = x[k];
            int64_t j = k;
            for (; j > lo && v.key < x[j - 1].key; --j) {
                x[j] = x[j - 1];
            }
            x[j] = v;
        }
    }
    ops_entry *from = x, *to = spare;
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            int64_t mid = lo + width < n ? lo + width : n;
            int64_t hi = lo + 2 * width < n ? lo + 2 * width : n;
            int64_t a = lo, b = mid;
            for (int64_t k = lo; k < hi; ++k) {
                to[k] = b >= hi || (a < mid && from[a].key <= from[b].key) ? from[a++] : from[b++];
            }
        }
        ops_entry *t = from;
        from = to;
        to = t;
    }
    if (from != x) {
        memcpy(x, from, (size_t)n * sizeof *x);
    }
}

/* Least significant digit first, 11 bits a pass; digits that all entries share cost nothing. */
static inline void ops_radix_sort(int64_t n, ops_entry *x, ops_entry *spare, int64_t *counts)
{
    enum { BITS = 11, DIGITS = 6, SIZE = 1 << BITS };
    memset(counts, 0, sizeof *counts * DIGITS * SIZE);
    for (int64_t k = 0; k < n; ++k) {
        for (int d = 0; d < DIGITS; ++d) {
            ++counts[d * SIZE + (int64_t)(x[k].key >> (d * BITS) & (SIZE - 1))];
        }
    }
    ops_entry *from = x, *to = spare;
    for (int d = 0; d < DIGITS; ++d) {
        int64_t *count = counts + d * SIZE;
        if (count[from[0].key >> (d * BITS) & (SIZE - 1)] == n) {
            continue;
        }
        int64_t at = 0;
        for (int k = 0; k < SIZE; ++k) {
            int64_t c = count[k];
            count[k] = at;
            at += c;
        }
        for (int64_t k = 0; k < n; ++k) {
            to[count[from[k].key >> (d * BITS) & (SIZE - 1)]++] = from[k];
        }
        ops_entry *t = from;
        from = to;
        to = t;
    }
    if (from != x) {
        memcpy(x, from, (size_t)n * sizeof *x);
    }
}

enum { OPS_RADIX_FROM = 2048, OPS_RADIX_COUNTS = 6 * 2048 };

/* Scratch for ops_sort_entries behind the n entries themselves: 2 n entries, then the counts. */
static inline size_t ops_sort_bytes(int64_t n)
{
    return (size_t)n * 2 * sizeof(ops_entry) +
           (n >= OPS_RADIX_FROM ? OPS_RADIX_COUNTS * sizeof(int64_t) : 0);
}

/* Sort the n entries at the start of a block of ops_sort_bytes(n); they stand in order of `at`. */
static inline void ops_sort_entries(int64_t n, ops_entry *x)
{
    if (n >= OPS_RADIX_FROM) {
        ops_radix_sort(n, x, x + n, (int64_t *)(x + 2 * n));
    } else {
        ops_merge_sort(n, x, x + n);
    }
}

/* Bring the entry of rank k to x[k], smaller ones before it: Hoare's selection, median of three. */
static inline void ops_select_entry(int64_t n, ops_entry *x, int64_t k)
{
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        ops_entry a = x[lo], b = x[lo + (hi - lo) / 2], c = x[hi];
        ops_entry pivot = ops_entry_less(a, b)
                              ? (ops_entry_less(b, c) ? b : ops_entry_less(a, c) ? c : a)
                              : (ops_entry_less(a, c) ? a : ops_entry_less(b, c) ? c : b);
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (ops_entry_less(x[i], pivot)) {
                ++i;
            }
            while (ops_entry_less(pivot, x[j])) {
                --j;
            }
            if (i <= j) {
                ops_entry t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k <= j) {
            hi = j;
        } else if (k >= i) {
            lo = i;
        } else {
            return;
        }
    }
}

/* The k least entries of n (in order of `at`) into best[0..k), sorted, by a heap. */
static inline void ops_least_entries(int64_t n, const ops_entry *x, int64_t k, ops_entry *best)
{
    for (int64_t q = 0; q < n; ++q) {
        ops_entry v = x[q];
        int64_t at;
        if (q < k) { /* the heap grows: sift up */
            for (at = q; at > 0 && ops_entry_less(best[(at - 1) / 2], v); at = (at - 1) / 2) {
                best[at] = best[(at - 1) / 2];
            }
            best[at] = v;
            continue;
        }
        if (v.key >= best[0].key) {
            continue;
        }
        for (at = 0; 2 * at + 1 < k;) { /* the worst goes: sift down */
            int64_t child = 2 * at + 1;
            child += child + 1 < k && ops_entry_less(best[child], best[child + 1]);
            if (!ops_entry_less(v, best[child])) {
                break;
            }
            best[at] = best[child];
            at = child;
        }
        best[at] = v;
    }
    for (int64_t size = k - 1; size > 0; --size) { /* heap sort */
        ops_entry v = best[size];
        best[size] = best[0];
        int64_t at = 0;
        while (2 * at + 1 < size) {
            int64_t child = 2 * at + 1;
            child += child + 1 < size && ops_entry_less(best[child], best[child + 1]);
            if (!ops_entry_less(v, best[child])) {
                break;
            }
            best[at] = best[child];
            at = child;
        }
        best[at] = v;
    }
}

#endif
