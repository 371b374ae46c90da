/* What the parts of the runtime share. Guarded by the interpreter lock, except where said. */
#ifndef OPSMITH_CUDA_STATE_CUH
#define OPSMITH_CUDA_STATE_CUH

#include "host.cuh"
#include "launch.cuh"

extern thread_local cudaStream_t ops_cuda_stream; /* the calling thread's current stream */
extern int ops_cuda_device;                       /* the one device of this process */

/* Where kernels report a position out of bounds: host memory that the device sees. */
typedef struct ops_error_word {
    int32_t raised; /* 1 once a kernel has written the rest */
    int32_t status; /* enum ops_status */
    const char *format; /* host memory; reads three long longs at most */
    int64_t value[3];
} ops_error_word;
extern ops_error_word *ops_cuda_error_word; /* null before the start */

/* The calling thread works on that device: called before anything that talks to it. */
void ops_cuda_here(void);
/* 1, or 0 with the error set: text names what was being done. */
int ops_cuda_ok(cudaError_t status, const char *what);
/* After a launch of `name`: its own error, and with OPSMITH_SYNC=1 those of its run. */
int ops_cuda_launched(cudaError_t status, const char *name);
/* After a synchronisation: errors of earlier launches, naming the last one. */
int ops_cuda_settled(cudaError_t status);

/* memory.cu */
char *ops_cuda_allocate(int64_t nbytes, int16_t *size_class);
void ops_cuda_release(char *data, int64_t nbytes, int16_t size_class);

/* dispatch.cu, copy.cu */
extern const ops_backend ops_cuda_backend;
int ops_cuda_copy(const ops_plan *plan);
int ops_cuda_zero(char *data, int64_t nbytes);
extern const ops_launcher ops_accumulate__cuda;
const void *ops_cuda_probe(void); /* some kernel of the library */

#endif
