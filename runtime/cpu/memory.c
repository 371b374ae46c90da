/* The memory of devices: size classes (powers of two from 64 bytes) with free lists; small blocks are carved from
 * slabs; above 2 MB blocks are aligned to huge pages and cached too, since page faults cost more
 * than the kernels that fill them. See memory.h and opsmith/tensor.h. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "memory.h"

enum { MIN_SHIFT = 6, CLASSES = 40, SLAB_BYTES = 1 << 18, SLAB_LIMIT = 4096 };
static const int64_t HUGE_BYTES = 2 << 20;
static const int64_t CACHE_LIMIT = (int64_t)1 << 31; /* bytes of large free blocks kept for reuse */

typedef struct free_block {
    struct free_block *next;
} free_block;

static free_block *free_blocks[CLASSES];
static int64_t cached_bytes; /* in free blocks that came from no slab */
static char *slab_at, *slab_end;

/* The next `nbytes` of a slab. */
static char *carve_from(char **at, char **end, int64_t nbytes)
{
    if (*end - *at < nbytes) {
        *at = aligned_alloc(64, SLAB_BYTES);
        if (*at == NULL) {
            *end = NULL;
            return NULL;
        }
        *end = *at + SLAB_BYTES;
    }
    char *block = *at;
    *at += nbytes;
    return block;
}

static char *carve(int64_t nbytes)
{
    return carve_from(&slab_at, &slab_end, nbytes);
}

char *ops_struct_allocate(int64_t nbytes)
{
    static char *at, *end;
    return carve_from(&at, &end, (nbytes + 7) / 8 * 8);
}

/* Above 64 KB four classes per power of two: at most 25% slack. */
static int64_t class_bytes(int64_t nbytes, int16_t *size_class)
{
    if (nbytes <= 64) {
        *size_class = 0;
        return 64;
    }
    int shift = 64 - __builtin_clzll((uint64_t)nbytes - 1);
    *size_class = (int16_t)(shift - MIN_SHIFT);
    return (int64_t)1 << shift;
}

static char *cpu_allocate(int64_t nbytes, int16_t *size_class)
{
    int64_t bytes = class_bytes(nbytes, size_class);
    if (bytes > 8 * HUGE_BYTES) {
        /* A power of two would waste too much: exact size, mapped directly, not cached by class. */
        bytes = (nbytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    }
    free_block *head = free_blocks[*size_class];
    if (OPS_LIKELY(head != NULL)) {
        if (bytes <= 8 * HUGE_BYTES) {
            free_blocks[*size_class] = head->next;
            cached_bytes -= bytes > SLAB_LIMIT ? bytes : 0;
            return (char *)head;
        }
        /* Large blocks carry their size behind the link. */
        for (free_block **at = &free_blocks[*size_class]; *at; at = &(*at)->next) {
            int64_t have = ((int64_t *)*at)[1];
            if (have >= bytes && have <= bytes + bytes / 4) {
                head = *at;
                *at = head->next;
                cached_bytes -= have;
                return (char *)head;
            }
        }
    }
    if (bytes <= SLAB_LIMIT) {
        return carve(bytes);
    }
    int64_t align = bytes >= HUGE_BYTES ? HUGE_BYTES : 64;
    char *block = aligned_alloc((size_t)align, (size_t)bytes);
    if (block != NULL && bytes >= HUGE_BYTES) {
        madvise(block, (size_t)bytes, MADV_HUGEPAGE);
    }
    return block;
}

static void cpu_release(char *data, int64_t nbytes, int16_t size_class)
{
    int16_t same;
    int64_t bytes = class_bytes(nbytes, &same);
    if (bytes > 8 * HUGE_BYTES) {
        bytes = (nbytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    }
    if (bytes > SLAB_LIMIT) {
        if (cached_bytes + bytes > CACHE_LIMIT) {
            free(data);
            return;
        }
        cached_bytes += bytes;
        ((int64_t *)data)[1] = bytes;
    }
    free_block *block = (free_block *)data;
    block->next = free_blocks[size_class];
    free_blocks[size_class] = block;
}

static char *meta_allocate(int64_t nbytes, int16_t *size_class)
{
    (void)nbytes;
    *size_class = -1;
    return (char *)64; /* never read; aligned, so that alignment tests hold */
}

static void meta_release(char *data, int64_t nbytes, int16_t size_class)
{
    (void)data;
    (void)nbytes;
    (void)size_class;
}

static ops_device_table cpu_table = {"cpu", cpu_allocate, cpu_release, 1, NULL};
static ops_device_table meta_table = {"meta", meta_allocate, meta_release, 0, NULL};
ops_device_table *ops_devices[OPS_DEVICE_COUNT] = {&cpu_table, &meta_table, NULL};
