/* CUDA's runtime on the CPU, as far as runtime/cuda uses it: kernels are tested where there is no GPU.
 *
 * Blocks run one after the other; the threads of a block are fibers that switch at barriers. Device
 * memory is host memory. It shows wrong indices, strides, tails, masks and merges; it cannot show
 * races, memory order or speed. */
#ifndef CUDA_ON_HOST
#define CUDA_ON_HOST

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>

using std::max;
using std::min;

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static

typedef enum cudaError { cudaSuccess, cudaErrorInvalidValue, cudaErrorMemoryAllocation } cudaError_t;
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaHostAllocMapped = 1, cudaHostAllocPortable = 2, cudaEventDisableTiming = 1,
       cudaStreamNonBlocking = 1 };
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor };

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

typedef struct cudaDeviceProp {
    char name[256];
    int multiProcessorCount;
    size_t totalGlobalMem;
} cudaDeviceProp;

typedef struct cudaFuncAttributes {
    int unused;
} cudaFuncAttributes;

/* Threads ---------------------------------------------------------------------------------------- */

struct cuda_fiber {
    ucontext_t context;
    char *stack;
    int done;
};

struct cuda_index {
    unsigned x, y, z;
};

/* One launch at a time: the interpreter lock is held while a kernel runs. */
inline cuda_index threadIdx, blockIdx, gridDim;
inline cuda_fiber cuda_fibers[256];
inline ucontext_t cuda_scheduler;
inline void (*cuda_body)(void *);
inline void *cuda_argument;

inline void cuda_enter(void)
{
    cuda_body(cuda_argument);
    cuda_fibers[threadIdx.x].done = 1;
    swapcontext(&cuda_fibers[threadIdx.x].context, &cuda_scheduler);
}

inline void __syncthreads(void)
{
    swapcontext(&cuda_fibers[threadIdx.x].context, &cuda_scheduler);
}

inline void cuda_run_block(int threads)
{
    enum { STACK = 1 << 16 };
    for (int t = 0; t < threads; ++t) {
        cuda_fiber *f = &cuda_fibers[t];
        f->stack = f->stack ? f->stack : (char *)malloc(STACK);
        f->done = 0;
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = f->stack;
        f->context.uc_stack.ss_size = STACK;
        makecontext(&f->context, cuda_enter, 0);
    }
    for (int left = threads; left > 0;) {
        left = 0;
        for (int t = 0; t < threads; ++t) {
            if (!cuda_fibers[t].done) {
                threadIdx.x = (unsigned)t;
                swapcontext(&cuda_scheduler, &cuda_fibers[t].context);
                left += !cuda_fibers[t].done;
            }
        }
    }
}

#define OPS_LAUNCH_HOST
template <class... P, class... A>
static cudaError_t ops_launch(void (*grid)(P...), dim3 blocks, cudaStream_t, const A &...args)
{
    auto body = [&] { grid(args...); };
    typedef decltype(body) call;
    cuda_body = [](void *p) { (*(call *)p)(); };
    cuda_argument = &body;
    gridDim.x = blocks.x;
    gridDim.y = blocks.y;
    for (unsigned y = 0; y < blocks.y; ++y) {
        for (unsigned x = 0; x < blocks.x; ++x) {
            blockIdx.x = x;
            blockIdx.y = y;
            cuda_run_block(256);
        }
    }
    return cudaSuccess;
}

/* Device functions ------------------------------------------------------------------------------- */

inline uint32_t __umulhi(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b >> 32);
}

/* All threads of a block shuffle together: a barrier before and after the exchange. */
template <class T> inline T __shfl_xor_sync(unsigned, T x, int mask)
{
    static char lanes[256][sizeof(T)];
    T found;
    memcpy(lanes[threadIdx.x], &x, sizeof x);
    __syncthreads();
    memcpy(&found, lanes[threadIdx.x ^ (unsigned)mask], sizeof found);
    __syncthreads();
    return found;
}

template <class T> inline T __ldcg(const T *p)
{
    return *p;
}

inline void __threadfence(void) {}
inline void __threadfence_system(void) {}

inline unsigned atomicAdd(unsigned *p, unsigned v)
{
    const unsigned old = *p;
    *p += v;
    return old;
}

inline int atomicCAS(int *p, int expected, int v)
{
    const int old = *p;
    *p = old == expected ? v : old;
    return old;
}

inline int __float_as_int(float x) { int y; memcpy(&y, &x, 4); return y; }
inline float __int_as_float(int x) { float y; memcpy(&y, &x, 4); return y; }
inline long long __double_as_longlong(double x) { long long y; memcpy(&y, &x, 8); return y; }
inline double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline double sinpi(double x) { return sin(3.141592653589793 * remainder(x, 2)); }

inline double cyl_bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 500 && term > 1e-18 * sum; ++k) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}
inline float cyl_bessel_i0f(float x) { return (float)cyl_bessel_i0(x); }

inline double cyl_bessel_i1(double x)
{
    double sum = x / 2, term = x / 2;
    for (int k = 1; k < 500 && fabs(term) > 1e-18 * fabs(sum); ++k) {
        term *= x / (2 * k) * (x / (2 * k + 2));
        sum += term;
    }
    return sum;
}
inline float cyl_bessel_i1f(float x) { return (float)cyl_bessel_i1(x); }

inline double erfinv(double y)
{
    if (!(fabs(y) < 1)) {
        return fabs(y) == 1 ? copysign(INFINITY, y) : NAN;
    }
    const double w = log1p(-y * y), a = 2 / (M_PI * 0.147) + w / 2;
    double x = copysign(sqrt(sqrt(a * a - w / 0.147) - a), y);
    for (int k = 0; k < 4; ++k) {
        const double error = fabs(x) > 1 ? copysign(erfc(fabs(y) < 1 ? fabs(x) : 0) - (1 - fabs(y)), -y)
                                         : erf(x) - y;
        const double step = error / (M_2_SQRTPI * exp(-x * x));
        x -= step / (1 + x * step);
    }
    return x;
}
inline float erfinvf(float y) { return (float)erfinv(y); }

/* The runtime's API ------------------------------------------------------------------------------ */

inline const char *cudaGetErrorString(cudaError_t) { return "error"; }
inline cudaError_t cudaGetLastError(void) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int *n) { *n = 1; return cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "CPU");
    p->multiProcessorCount = 2; /* few, so that small reductions are cut into parts too */
    p->totalGlobalMem = (size_t)1 << 34;
    return cudaSuccess;
}
template <class F> inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *, F) { return cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int *v, cudaDeviceAttr a, int)
{
    *v = a == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
    return cudaSuccess;
}
inline cudaError_t cudaMalloc(void **p, size_t n)
{
    *p = aligned_alloc(512, (n + 511) / 512 * 512);
    if (*p != NULL) {
        memset(*p, 0xa5, n); /* what is not written shows */
    }
    return *p != NULL ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFree(void *p) { free(p); return cudaSuccess; }
inline cudaError_t cudaHostAlloc(void **p, size_t n, unsigned)
{
    *p = calloc(1, n);
    return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t *a, size_t *b) { *a = *b = (size_t)1 << 34; return cudaSuccess; }
inline cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, cudaMemcpyKind, cudaStream_t)
{
    memcpy(to, from, n);
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t)
{
    memset(p, v, n);
    return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize(void) { return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t s) { free(s); return cudaSuccess; }
inline cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned, int)
{
    *s = (cudaStream_t)malloc(1);
    return cudaSuccess;
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned) { *e = NULL; return cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

#endif
