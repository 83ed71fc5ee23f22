#pragma once

/// Marks functions that nvcc compiles for kernels, and the host's compiler for tests and stand-ins.
#ifdef __CUDACC__
#define CARDSWAP_BOTH __host__ __device__ inline
#else
#define CARDSWAP_BOTH inline
#endif
