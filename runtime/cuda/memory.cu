/* The caching allocator: free lists per stream, four size classes per power of two.
 *
 * A block is freed when its tensor is, and goes back to the list of the stream it was allocated
 * on; work queued there earlier runs before whatever uses the block next, so nothing waits. Memory
 * must not be freed while another stream still reads it: synchronise first, or let the streams wait.
 * OPSMITH_NO_CACHE=1: one cudaMalloc a tensor, for sanitizers, which slabs hide overruns from. */
#include <stdlib.h>

#include "state.cuh"

enum { STREAMS = 64, CLASSES = 256, LEAST = 512 };
static const int64_t SLAB_BYTES = 32 << 20, SLAB_LIMIT = 1 << 20;

/* Host-side lists: device memory cannot hold the links. */
typedef struct block {
    char *data;
    struct block *next;
} block;

typedef struct pool {
    cudaStream_t stream;
    block *free_blocks[CLASSES];
    char *slab_at, *slab_end;
    unsigned *counters;
} pool;

enum { COUNTERS = 65536 }; /* more than blocks whose folded space is cut: a few a multiprocessor */

static pool pools[STREAMS];
static int pool_count;
static block *spare_blocks;
static int64_t allocated_bytes, reserved_bytes, peak_bytes;

/* Bytes of class c: LEAST, then steps of a quarter of the power of two below. */
static int64_t class_of(int64_t nbytes, int *c)
{
    if (nbytes <= LEAST) {
        *c = 0;
        return LEAST;
    }
    const int shift = 63 - __builtin_clzll((unsigned long long)nbytes - 1);
    const int64_t base = (int64_t)1 << shift, quarter = base / 4;
    const int64_t k = (nbytes - 1 - base) / quarter;
    *c = 1 + (shift - 9) * 4 + (int)k;
    return base + (k + 1) * quarter;
}

static pool *pool_of(cudaStream_t stream)
{
    for (int k = 0; k < pool_count; ++k) {
        if (pools[k].stream == stream) {
            return &pools[k];
        }
    }
    if (pool_count == STREAMS) {
        return NULL;
    }
    pool *p = &pools[pool_count++];
    p->stream = stream;
    return p;
}

static int uncached(void)
{
    static int flag = -1;
    if (flag < 0) {
        const char *text = getenv("OPSMITH_NO_CACHE");
        flag = text != NULL && text[0] == '1';
    }
    return flag;
}

static char *reserve(int64_t nbytes)
{
    void *data = NULL;
    ops_cuda_here();
    if (cudaMalloc(&data, (size_t)nbytes) != cudaSuccess) {
        cudaGetLastError(); /* out of memory is not sticky: forget it */
        return NULL;
    }
    reserved_bytes += nbytes;
    return (char *)data;
}

/* Give cached blocks back to the driver; slabs stay, since their parts may be in use. */
static void flush(void)
{
    cudaDeviceSynchronize();
    for (int k = 0; k < pool_count; ++k) {
        for (int c = 0; c < CLASSES; ++c) {
            const int64_t bytes = c == 0 ? LEAST : ((int64_t)1 << ((c - 1) / 4 + 9)) / 4 * ((c - 1) % 4 + 5);
            if (bytes <= SLAB_LIMIT) {
                continue;
            }
            while (pools[k].free_blocks[c] != NULL) {
                block *b = pools[k].free_blocks[c];
                pools[k].free_blocks[c] = b->next;
                cudaFree(b->data);
                reserved_bytes -= bytes;
                b->next = spare_blocks;
                spare_blocks = b;
            }
        }
    }
}

static char *obtain(pool *p, int64_t bytes)
{
    if (bytes > SLAB_LIMIT) {
        char *data = reserve(bytes);
        if (data == NULL) {
            flush();
            data = reserve(bytes);
        }
        return data;
    }
    if (p->slab_end - p->slab_at < bytes) {
        char *slab = reserve(SLAB_BYTES);
        if (slab == NULL) {
            flush();
            slab = reserve(SLAB_BYTES);
        }
        if (slab == NULL) {
            return NULL;
        }
        p->slab_at = slab;
        p->slab_end = slab + SLAB_BYTES;
    }
    char *data = p->slab_at;
    p->slab_at += bytes;
    return data;
}

static void account(int64_t bytes)
{
    allocated_bytes += bytes;
    peak_bytes = allocated_bytes > peak_bytes ? allocated_bytes : peak_bytes;
}

/* The class carries the pool: class + 256 * pool. */
char *ops_cuda_allocate(int64_t nbytes, int16_t *size_class)
{
    int c;
    const int64_t bytes = class_of(nbytes, &c);
    pool *p = pool_of(ops_cuda_stream);
    if (p == NULL || uncached()) {
        *size_class = INT16_MAX; /* straight from the driver, and back */
        char *data = reserve(bytes);
        account(data != NULL ? bytes : 0);
        return data;
    }
    *size_class = (int16_t)(c + CLASSES * (int)(p - pools));
    block *b = p->free_blocks[c];
    char *data;
    if (b != NULL) {
        p->free_blocks[c] = b->next;
        data = b->data;
        b->next = spare_blocks;
        spare_blocks = b;
    } else {
        data = obtain(p, bytes);
    }
    account(data != NULL ? bytes : 0);
    return data;
}

void ops_cuda_release(char *data, int64_t nbytes, int16_t size_class)
{
    int c;
    const int64_t bytes = class_of(nbytes, &c);
    allocated_bytes -= bytes;
    block *b = spare_blocks;
    if (size_class == INT16_MAX) {
        cudaFree(data); /* waits for the device */
        reserved_bytes -= bytes;
        return;
    }
    if (b != NULL) {
        spare_blocks = b->next;
    } else {
        b = (block *)malloc(sizeof *b);
        if (b == NULL) {
            return; /* the block is lost, the process goes on */
        }
    }
    pool *p = &pools[size_class / CLASSES];
    b->data = data;
    b->next = p->free_blocks[c];
    p->free_blocks[c] = b;
}

char *ops_cuda_scratch(int64_t nbytes)
{
    int16_t ignored;
    return ops_cuda_allocate(nbytes, &ignored);
}

/* On the stream it came from: a launch's scratch goes back right after the launch. */
void ops_cuda_scratch_free(char *data, int64_t nbytes)
{
    int c;
    class_of(nbytes, &c);
    pool *p = pool_of(ops_cuda_stream);
    ops_cuda_release(data, nbytes,
                     p == NULL || uncached() ? INT16_MAX : (int16_t)(c + CLASSES * (int)(p - pools)));
}

unsigned *ops_cuda_counters(int64_t n)
{
    pool *p = pool_of(ops_cuda_stream);
    if (p == NULL || n > COUNTERS) {
        return NULL;
    }
    if (p->counters == NULL) {
        p->counters = (unsigned *)reserve(COUNTERS * (int64_t)sizeof(unsigned));
        if (p->counters != NULL &&
            cudaMemsetAsync(p->counters, 0, COUNTERS * sizeof(unsigned), p->stream) != cudaSuccess) {
            return NULL;
        }
    }
    return p->counters;
}

#pragma GCC visibility push(default)

extern "C" int64_t ops_cuda_memory_allocated(void)
{
    return allocated_bytes;
}

extern "C" int64_t ops_cuda_memory_reserved(void)
{
    return reserved_bytes;
}

extern "C" int64_t ops_cuda_max_memory_allocated(void)
{
    return peak_bytes;
}

extern "C" void ops_cuda_reset_peak(void)
{
    peak_bytes = allocated_bytes;
}

extern "C" void ops_cuda_empty_cache(void)
{
    flush();
}

#pragma GCC visibility pop
