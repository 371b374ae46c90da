/* Start, streams, errors, information. See opsmith/cuda.h.
 *
 * One device a process, the first that CUDA_VISIBLE_DEVICES shows (OPSMITH_CUDA_DEVICE picks
 * another). Nothing touches the driver before ops_cuda_start, so that the library loads anywhere. */
#include <stdio.h>
#include <stdlib.h>

#include "state.cuh"

thread_local cudaStream_t ops_cuda_stream;
int ops_cuda_device;
ops_error_word *ops_cuda_error_word;

static const char *last_launch = "nothing";
static char reason[512] = "not started";
static cudaDeviceProp properties;
static int started;

void ops_cuda_here(void)
{
    static thread_local int here;
    if (OPS_UNLIKELY(!here)) {
        here = cudaSetDevice(ops_cuda_device) == cudaSuccess;
    }
}

/* Errors --------------------------------------------------------------------------------------- */

int ops_cuda_ok(cudaError_t status, const char *what)
{
    if (status == cudaSuccess) {
        return 1;
    }
    cudaGetLastError();
    ops_fail(status == cudaErrorMemoryAllocation ? OPS_MEMORY_ERROR : OPS_RUNTIME_ERROR,
             "CUDA error: %s (%s)", cudaGetErrorString(status), what);
    return 0;
}

int ops_cuda_settled(cudaError_t status)
{
    if (status != cudaSuccess) {
        cudaGetLastError();
        ops_fail(OPS_RUNTIME_ERROR,
                 "CUDA error: %s. Errors of kernels are asynchronous: it was raised by '%s' or by an "
                 "earlier operation; OPSMITH_SYNC=1 finds which.",
                 cudaGetErrorString(status), last_launch);
        return 0;
    }
    if (ops_cuda_error_word != NULL && ops_cuda_error_word->raised) {
        const ops_error_word found = *ops_cuda_error_word;
        ops_cuda_error_word->raised = 0;
        char text[256];
        snprintf(text, sizeof text, found.format, (long long)found.value[0],
                 (long long)found.value[1], (long long)found.value[2]);
        ops_fail((enum ops_status)found.status, "%s", text);
        return 0;
    }
    return 1;
}

int ops_cuda_launched(cudaError_t status, const char *name)
{
    static int sync = -1;
    if (sync < 0) {
        const char *text = getenv("OPSMITH_SYNC");
        sync = text != NULL && text[0] == '1';
    }
    last_launch = name;
    if (status != cudaSuccess) {
        cudaGetLastError();
        if (status != cudaErrorInvalidValue || !ops_cuda_refuse(NULL)) {
            ops_fail(status == cudaErrorMemoryAllocation ? OPS_MEMORY_ERROR : OPS_RUNTIME_ERROR,
                     "%s: CUDA error: %s", name, cudaGetErrorString(status));
        }
        return 0;
    }
    return !sync || ops_cuda_settled(cudaStreamSynchronize(ops_cuda_stream));
}

/* With a text: remember it. Without: raise what is remembered, if anything. */
cudaError_t ops_cuda_refuse(const char *why)
{
    static thread_local const char *remembered;
    if (why != NULL) {
        remembered = why;
        return cudaErrorInvalidValue;
    }
    if (remembered == NULL) {
        return cudaSuccess;
    }
    ops_fail(OPS_NOT_IMPLEMENTED, "%s: %s", last_launch, remembered);
    remembered = NULL;
    return cudaErrorInvalidValue;
}

int ops_cuda_multiprocessors(void)
{
    return properties.multiProcessorCount > 0 ? properties.multiProcessorCount : 132;
}

/* Waiting ends the lock: other threads run meanwhile. */
static int wait_for(cudaError_t (*wait)(cudaStream_t), cudaStream_t stream)
{
    ops_cuda_here();
    void *lock = ops_gil_release ? ops_gil_release() : NULL;
    const cudaError_t status = wait(stream);
    if (lock != NULL) {
        ops_gil_acquire(lock);
    }
    return ops_cuda_settled(status);
}

static cudaError_t wait_device(cudaStream_t)
{
    return cudaDeviceSynchronize();
}

static cudaError_t wait_stream(cudaStream_t stream)
{
    return cudaStreamSynchronize(stream);
}

/* The table ------------------------------------------------------------------------------------ */

static ops_device_table table = {"cuda", ops_cuda_allocate, ops_cuda_release, 1, &ops_cuda_backend};

#pragma GCC visibility push(default)

extern "C" int ops_cuda_device_count(void)
{
    int n = 0;
    const cudaError_t status = cudaGetDeviceCount(&n);
    if (status != cudaSuccess) {
        cudaGetLastError();
        snprintf(reason, sizeof reason, "%s", cudaGetErrorString(status));
        return 0;
    }
    if (n == 0) {
        snprintf(reason, sizeof reason, "no device");
    }
    return n;
}

extern "C" const char *ops_cuda_why_not(void)
{
    return reason;
}

/* 1 once CUDA tensors can be made; else ops_cuda_why_not says why. */
extern "C" int ops_cuda_start(void)
{
    if (started) {
        return 1;
    }
    const char *chosen = getenv("OPSMITH_CUDA_DEVICE");
    const int n = ops_cuda_device_count();
    ops_cuda_device = chosen != NULL ? atoi(chosen) : 0;
    if (ops_cuda_device < 0 || ops_cuda_device >= n) {
        if (n > 0) {
            snprintf(reason, sizeof reason, "device %d of %d", ops_cuda_device, n);
        }
        return 0;
    }
    cudaError_t status = cudaSetDevice(ops_cuda_device);
    if (status == cudaSuccess) {
        status = cudaGetDeviceProperties(&properties, ops_cuda_device);
    }
    if (status == cudaSuccess) {
        status = cudaHostAlloc((void **)&ops_cuda_error_word, sizeof *ops_cuda_error_word,
                               cudaHostAllocMapped | cudaHostAllocPortable);
    }
    if (status == cudaSuccess) { /* are there kernels for this architecture? */
        cudaFuncAttributes attributes;
        status = cudaFuncGetAttributes(&attributes, ops_cuda_probe());
    }
    if (status != cudaSuccess) {
        cudaGetLastError();
        snprintf(reason, sizeof reason, "%s: %s", properties.name, cudaGetErrorString(status));
        return 0;
    }
    memset(ops_cuda_error_word, 0, sizeof *ops_cuda_error_word);
    ops_devices[OPS_CUDA] = &table;
    snprintf(reason, sizeof reason, "started");
    started = 1;
    return 1;
}

extern "C" int ops_cuda_current_device(void)
{
    return ops_cuda_device;
}

extern "C" const char *ops_cuda_device_name(int device)
{
    static cudaDeviceProp asked;
    return cudaGetDeviceProperties(&asked, device) == cudaSuccess ? asked.name : "";
}

/* 90 for compute capability 9.0; 0 for no such device. */
extern "C" int ops_cuda_capability(int device)
{
    int major = 0, minor = 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess) {
        cudaGetLastError();
        return 0;
    }
    return 10 * major + minor;
}

extern "C" int64_t ops_cuda_memory_total(int device)
{
    cudaDeviceProp asked;
    return cudaGetDeviceProperties(&asked, device) == cudaSuccess ? (int64_t)asked.totalGlobalMem : 0;
}

extern "C" int64_t ops_cuda_memory_free(void)
{
    size_t free_bytes = 0, total = 0;
    return cudaMemGetInfo(&free_bytes, &total) == cudaSuccess ? (int64_t)free_bytes : 0;
}

extern "C" int ops_cuda_synchronize(void)
{
    return wait_for(wait_device, NULL);
}

/* Streams -------------------------------------------------------------------------------------- */

/* A new stream, not ordered with the default one; 0 with an error set. */
extern "C" int64_t ops_cuda_stream_new(int priority)
{
    cudaStream_t stream = NULL;
    ops_cuda_here();
    if (!ops_cuda_ok(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority),
                     "making a stream")) {
        return 0;
    }
    return (int64_t)(intptr_t)stream;
}

extern "C" int ops_cuda_stream_free(int64_t stream)
{
    return ops_cuda_ok(cudaStreamDestroy((cudaStream_t)(intptr_t)stream), "freeing a stream");
}

extern "C" int ops_cuda_stream_synchronize(int64_t stream)
{
    return wait_for(wait_stream, (cudaStream_t)(intptr_t)stream);
}

/* 1: everything queued is done; 0: not yet. */
extern "C" int ops_cuda_stream_query(int64_t stream)
{
    return cudaStreamQuery((cudaStream_t)(intptr_t)stream) == cudaSuccess;
}

/* What is queued on `stream` from here on waits for what is queued on `other` now. */
extern "C" int ops_cuda_stream_wait(int64_t stream, int64_t other)
{
    cudaEvent_t event;
    if (!ops_cuda_ok(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event")) {
        return 0;
    }
    cudaError_t status = cudaEventRecord(event, (cudaStream_t)(intptr_t)other);
    if (status == cudaSuccess) {
        status = cudaStreamWaitEvent((cudaStream_t)(intptr_t)stream, event, 0);
    }
    cudaEventDestroy(event); /* the driver keeps it until it is reached */
    return ops_cuda_ok(status, "waiting for a stream");
}

extern "C" int64_t ops_cuda_stream_get(void)
{
    return (int64_t)(intptr_t)ops_cuda_stream;
}

extern "C" void ops_cuda_stream_set(int64_t stream)
{
    ops_cuda_stream = (cudaStream_t)(intptr_t)stream;
}

#pragma GCC visibility pop
