/* __nv_bfloat16 on the CPU: from double, rounded once. See cuda_runtime.h. */
#ifndef CUDA_ON_HOST_BF16
#define CUDA_ON_HOST_BF16
#include <math.h>
#include <stdint.h>
#include <string.h>
struct __nv_bfloat16 {
    uint16_t bits;
    __nv_bfloat16() = default;
    explicit __nv_bfloat16(int v);
    bool operator!=(__nv_bfloat16 o) const;
};
inline float __bfloat162float(__nv_bfloat16 b)
{
    const uint32_t bits = (uint32_t)b.bits << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
inline __nv_bfloat16 __double2bfloat16(double x)
{
    __nv_bfloat16 b;
    float f = (float)x; /* to odd, so that the second rounding is the only one */
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (x != x) {
        b.bits = 0x7fff;
        return b;
    }
    if ((double)f != x && isfinite(f)) {
        if (fabs((double)f) > fabs(x)) {
            --bits;
        }
        bits |= 1;
    }
    b.bits = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    return b;
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __double2bfloat16((double)x); }
inline __nv_bfloat16 __ll2bfloat16_rn(long long x) { return __double2bfloat16((double)x); }
inline __nv_bfloat16 __int2bfloat16_rn(int x) { return __double2bfloat16((double)x); }
inline __nv_bfloat16::__nv_bfloat16(int v) { *this = __double2bfloat16(v); }
inline bool __nv_bfloat16::operator!=(__nv_bfloat16 o) const
{
    return __bfloat162float(*this) != __bfloat162float(o);
}
inline __nv_bfloat16 __ushort_as_bfloat16(uint16_t bits) { __nv_bfloat16 b; b.bits = bits; return b; }
inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 b) { return b.bits; }
#endif
