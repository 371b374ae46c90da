/* Thread pool: workers spin briefly, then sleep on a futex; ranges are handed out by one counter.
 *
 * A worker enters a region in two steps: it raises `active`, then looks at `open`. The owner closes
 * a region in two steps: it clears `open`, then waits until `active` is zero. With sequentially
 * consistent atomics one of the two sees the other, so the region's fields never change under a
 * worker, and the owner never waits for a worker that has not begun. */
#define _GNU_SOURCE
#include "opsmith/parallel.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    MAX_THREADS = 1024,
    /* About 20 us: longer than the gap between two ops of a small network, short enough that an
     * idle process stops burning its cores at once. */
    SPINS = 1000,
    /* Ranges a thread: enough to even out a thread that lost its core, few enough to be free. */
    RANGES_PER_THREAD = 8,
    CACHE_LINE = 64,
};

static struct {
    _Alignas(CACHE_LINE) _Atomic uint32_t generation; /* futex of the sleeping workers */
    atomic_int sleepers;
    atomic_int open;
    atomic_int stop;
    _Alignas(CACHE_LINE) _Atomic uint32_t active; /* futex of the waiting owner */
    atomic_int owner_waits;
    _Alignas(CACHE_LINE) _Atomic int64_t next;
    /* Written by the owner while the region is closed. */
    _Alignas(CACHE_LINE) int64_t n;
    int64_t step;
    ops_range_fn body;
    void *arg;
    atomic_int limit; /* workers that may join */
    atomic_int busy;  /* the pool has an owner */
    int started;
    pthread_t workers[MAX_THREADS];
} pool;

static atomic_int thread_count; /* 0: not decided yet */
static _Thread_local int in_region;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static int affinity_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    /* Fails only on machines of more CPUs than cpu_set_t holds. */
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        return online < 1 ? 1 : (int)online;
    }
    return CPU_COUNT(&set);
}

static int clamp_threads(long n)
{
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (int)n;
}

static int default_threads(void)
{
    const char *text = getenv("OPSMITH_NUM_THREADS");
    if (text && *text) {
        char *end;
        const long n = strtol(text, &end, 10);
        if (*end == '\0' && n >= 1) {
            return clamp_threads(n);
        }
    }
    return clamp_threads(affinity_count());
}

int ops_num_threads(void)
{
    int n = atomic_load_explicit(&thread_count, memory_order_relaxed);
    if (n == 0) {
        int undecided = 0;
        n = default_threads();
        if (!atomic_compare_exchange_strong(&thread_count, &undecided, n)) {
            n = undecided;
        }
    }
    return n;
}

void ops_set_num_threads(int n)
{
    atomic_store(&thread_count, clamp_threads(n));
}

static void pin_worker(int64_t index)
{
    const char *wanted = getenv("OPSMITH_PIN_THREADS");
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!wanted || strcmp(wanted, "1") != 0 || sched_getaffinity(0, sizeof set, &set) != 0) {
        return;
    }
    /* The first CPU is left to the thread that calls. */
    int64_t skip = (index + 1) % CPU_COUNT(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set) && skip-- == 0) {
            CPU_ZERO(&set);
            CPU_SET(cpu, &set);
            pthread_setaffinity_np(pthread_self(), sizeof set, &set);
            return;
        }
    }
}

static void drain(void)
{
    const int64_t n = pool.n, step = pool.step;
    for (;;) {
        const int64_t lo = atomic_fetch_add(&pool.next, step);
        if (lo >= n) {
            return;
        }
        pool.body(lo, n - lo < step ? n : lo + step, pool.arg);
    }
}

/* Waits until the generation differs from `seen`; returns the new one. */
static uint32_t await_generation(uint32_t seen)
{
    for (;;) {
        for (int i = 0; i < SPINS; ++i) {
            const uint32_t now = atomic_load_explicit(&pool.generation, memory_order_acquire);
            if (now != seen) {
                return now;
            }
            relax();
        }
        atomic_fetch_add(&pool.sleepers, 1);
        futex_wait(&pool.generation, seen);
        atomic_fetch_sub(&pool.sleepers, 1);
    }
}

static void *work(void *index_as_pointer)
{
    const int64_t index = (int64_t)(intptr_t)index_as_pointer;
    uint32_t seen = 0;
    in_region = 1;
    pin_worker(index);
    while (!atomic_load(&pool.stop)) {
        if (index < atomic_load(&pool.limit)) {
            atomic_fetch_add(&pool.active, 1);
            if (atomic_load(&pool.open)) {
                drain();
            }
            if (atomic_fetch_sub(&pool.active, 1) == 1 && atomic_load(&pool.owner_waits)) {
                futex_wake(&pool.active, 1);
            }
        }
        seen = await_generation(seen);
    }
    return NULL;
}

/* After fork the child has this thread alone: whatever the pool was doing, it holds nothing. */
static void forget_workers(void)
{
    pool.started = 0;
    atomic_store(&pool.generation, 0);
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.open, 0);
    atomic_store(&pool.active, 0);
    atomic_store(&pool.owner_waits, 0);
    atomic_store(&pool.busy, 0);
}

static void register_fork_handler(void)
{
    pthread_atfork(NULL, NULL, forget_workers);
}

static void start_workers(int wanted)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigset_t all, before;
    pthread_once(&once, register_fork_handler);
    /* Signals are for the threads of the program. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.started < wanted) {
        void *index = (void *)(intptr_t)pool.started;
        if (pthread_create(&pool.workers[pool.started], NULL, work, index) != 0) {
            break; /* the owner does the work of those that are missing */
        }
        ++pool.started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void await_workers(void)
{
    for (int i = 0; i < SPINS; ++i) {
        if (atomic_load(&pool.active) == 0) {
            return;
        }
        relax();
    }
    atomic_store(&pool.owner_waits, 1);
    for (uint32_t left; (left = atomic_load(&pool.active)) != 0;) {
        futex_wait(&pool.active, left);
    }
    atomic_store(&pool.owner_waits, 0);
}

static void run_region(int64_t n, int64_t step, int helpers, ops_range_fn body, void *arg)
{
    if (pool.started < helpers) {
        start_workers(helpers);
    }
    pool.n = n;
    pool.step = step;
    pool.body = body;
    pool.arg = arg;
    atomic_store(&pool.next, 0);
    atomic_store(&pool.limit, helpers);
    atomic_store(&pool.open, 1);
    atomic_fetch_add(&pool.generation, 1);
    if (atomic_load(&pool.sleepers) > 0) {
        /* A worker beyond the limit would swallow a wake-up: then wake them all. */
        const int64_t ranges = (n - 1) / step;
        const int exact = pool.started <= helpers && ranges < helpers;
        futex_wake(&pool.generation, exact ? (int)ranges : INT_MAX);
    }
    in_region = 1;
    drain();
    in_region = 0;
    atomic_store(&pool.open, 0);
    await_workers();
}

void ops_parallel_for(int64_t n, int64_t grain, ops_range_fn body, void *arg)
{
    if (n <= 0) {
        return;
    }
    if (grain < 1) {
        grain = 1;
    }
    const int threads = n <= grain || in_region ? 1 : ops_num_threads();
    if (threads == 1 || atomic_exchange(&pool.busy, 1)) {
        body(0, n, arg);
        return;
    }
    const int64_t grains = (n - 1) / grain + 1;
    const int64_t ranges = (int64_t)threads * RANGES_PER_THREAD;
    const int64_t step = grains <= ranges ? grain : ((grains - 1) / ranges + 1) * grain;
    run_region(n, step, threads - 1, body, arg);
    atomic_store(&pool.busy, 0);
}

void ops_parallel_blocks(int64_t nblocks, ops_range_fn body, void *arg)
{
    ops_parallel_for(nblocks, 1, body, arg);
}

/* Scratch. From HUGE_FROM on, memory comes in whole huge pages: a packed panel is then a few TLB
 * entries, not hundreds. */
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 512 << 10, PAGE = 4096 };

static _Thread_local struct {
    void *memory;
    size_t bytes;
} scratch[OPS_SCRATCH_SLOTS];

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static int scratch_key_made;

static void free_scratch(void *unused)
{
    (void)unused;
    for (int i = 0; i < OPS_SCRATCH_SLOTS; ++i) {
        free(scratch[i].memory);
        scratch[i].memory = NULL;
        scratch[i].bytes = 0;
    }
}

static void make_scratch_key(void)
{
    scratch_key_made = pthread_key_create(&scratch_key, free_scratch) == 0;
}

static void *grow_scratch(enum ops_scratch_slot slot, size_t bytes)
{
    const size_t unit = bytes >= HUGE_FROM ? HUGE_PAGE : PAGE;
    if (bytes > SIZE_MAX - unit) {
        return NULL;
    }
    pthread_once(&scratch_once, make_scratch_key);
    if (scratch_key_made) {
        pthread_setspecific(scratch_key, scratch); /* any value that is not NULL */
    }
    free(scratch[slot].memory);
    scratch[slot].bytes = 0;
    bytes = (bytes + unit - 1) / unit * unit;
    scratch[slot].memory = aligned_alloc(unit, bytes);
    if (scratch[slot].memory) {
        scratch[slot].bytes = bytes;
        if (unit == HUGE_PAGE) {
            madvise(scratch[slot].memory, bytes, MADV_HUGEPAGE);
        }
    }
    return scratch[slot].memory;
}

void *ops_scratch(enum ops_scratch_slot slot, size_t bytes)
{
    if (bytes <= scratch[slot].bytes && scratch[slot].memory) {
        return scratch[slot].memory;
    }
    return grow_scratch(slot, bytes ? bytes : 1);
}

/* Before the library's code is unmapped, or the process ends, no thread may be running in it. */
__attribute__((destructor)) static void leave(void)
{
    atomic_store(&pool.stop, 1);
    atomic_fetch_add(&pool.generation, 1);
    futex_wake(&pool.generation, INT_MAX);
    for (int i = 0; i < pool.started; ++i) {
        pthread_join(pool.workers[i], NULL);
    }
    pool.started = 0;
    /* Other threads may outlive the library; their scratch then leaks instead of crashing them. */
    free_scratch(NULL);
    if (scratch_key_made) {
        pthread_key_delete(scratch_key);
    }
}
