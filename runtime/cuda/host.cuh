/* The runtime's C headers, as a CUDA translation unit sees them. */
#ifndef OPSMITH_CUDA_HOST_CUH
#define OPSMITH_CUDA_HOST_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h> /* before the C headers: its C++ part may not stand inside extern "C" */
#include <stdint.h>
#include <string.h>
#include <type_traits>

/* Small functions of the C headers that kernels call too. */
#define OPS_ON_DEVICE static __host__ __device__ inline

extern "C" {
#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/cuda.h"
}

#define OPS_DEVICE static __device__ __forceinline__

/* Threads of every kernel: 8 warps hide the latency of loads, four blocks fit on a multiprocessor
 * at up to 64 registers. */
enum { OPS_THREADS = 256 };

#endif
