/* The CUDA library's own functions (libopsmith_cuda.so). Read by the compiler as cffi declarations
 * too: plain prototypes only, no preprocessor.
 *
 * Loading the library changes nothing; ops_cuda_start fills the device table. A stream is the
 * driver's handle as an integer, 0 for the legacy default stream; the current one is thread-local. */
int ops_cuda_device_count(void);
int ops_cuda_start(void);
const char *ops_cuda_why_not(void);
int ops_cuda_current_device(void);
const char *ops_cuda_device_name(int device);
int ops_cuda_capability(int device);
int64_t ops_cuda_memory_total(int device);
int64_t ops_cuda_memory_free(void);
int64_t ops_cuda_memory_allocated(void);
int64_t ops_cuda_memory_reserved(void);
int64_t ops_cuda_max_memory_allocated(void);
void ops_cuda_reset_peak(void);
void ops_cuda_empty_cache(void);
int ops_cuda_synchronize(void);
int64_t ops_cuda_stream_new(int priority);
int ops_cuda_stream_free(int64_t stream);
int ops_cuda_stream_synchronize(int64_t stream);
int ops_cuda_stream_query(int64_t stream);
int ops_cuda_stream_wait(int64_t stream, int64_t other);
int64_t ops_cuda_stream_get(void);
void ops_cuda_stream_set(int64_t stream);
int ops_cuda_kernel_count(void);
int ops_cuda_has_kernel(const char *key);
