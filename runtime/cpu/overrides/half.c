/* 16-bit floats by F16C, which CPUs have had since 2012; gcc does not vectorise _Float16 before
 * AVX512-FP16. NaN keeps its sign and payload, as in the portable loops. */
#include "opsmith/convert.h"
#include "opsmith/dispatch.h"

#ifdef __F16C__
#include <immintrin.h>

static void widen(int64_t n, const void *src, void *dst)
{
    const uint16_t *restrict x = src;
    float *restrict out = dst;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
    for (; i < n; ++i)
        out[i] = _cvtsh_ss(x[i]);
}

static void narrow(int64_t n, const void *src, void *dst)
{
    const float *restrict x = src;
    uint16_t *restrict out = dst;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; ++i)
        out[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

void ops_override_half(void)
{
    ops_packed_slots[OPS_F16] = (ops_packed_loops){widen, narrow};
}
#else
void ops_override_half(void)
{
}
#endif
