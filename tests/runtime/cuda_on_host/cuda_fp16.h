/* __half on the CPU. See cuda_runtime.h. */
#ifndef CUDA_ON_HOST_FP16
#define CUDA_ON_HOST_FP16
#include <stdint.h>
#include <string.h>
struct __half {
    _Float16 x;
    __half() = default;
    explicit __half(int v) : x((_Float16)v) {}
    bool operator!=(__half o) const { return x != o.x; }
};
inline __half cuda_half(_Float16 x) { __half h; h.x = x; return h; }
inline float __half2float(__half h) { return (float)h.x; }
inline __half __double2half(double x) { return cuda_half((_Float16)x); }
inline __half __float2half_rn(float x) { return cuda_half((_Float16)x); }
inline __half __ll2half_rn(long long x) { return cuda_half((_Float16)x); }
inline __half __int2half_rn(int x) { return cuda_half((_Float16)x); }
inline __half __ushort_as_half(uint16_t bits) { __half h; memcpy(&h, &bits, 2); return h; }
inline uint16_t __half_as_ushort(__half h) { uint16_t bits; memcpy(&bits, &h, 2); return bits; }
#endif
