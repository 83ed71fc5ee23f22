#pragma once

#include <cstdint>

/// The part of CUDA's driver API that we use, declared here because libcuda is loaded at run time.
/// Names, numbers and layouts are those of cuda.h (13.0; the arguments of 12.8 have the same sizes,
/// with zeros where 13.0 has pairs). tests/stand_ins/libcuda is built from the same declarations.
extern "C" {

using CUresult = int;
using CUprocessState = int;

struct CUuuid {
  char bytes[16];
};
struct CUcheckpointLockArgs {
  unsigned int timeoutMs;
  unsigned int reserved0;
  std::uint64_t reserved1[7];
};
struct CUcheckpointCheckpointArgs {
  std::uint64_t reserved[8];
};
struct CUcheckpointGpuPair {
  CUuuid oldUuid;
  CUuuid newUuid;
};
struct CUcheckpointRestoreArgs {
  CUcheckpointGpuPair* gpuPairs;
  unsigned int gpuPairsCount;
  char reserved[52 - sizeof(void*)];
  std::uint64_t reserved1;
};
struct CUcheckpointUnlockArgs {
  std::uint64_t reserved[8];
};
static_assert(sizeof(CUcheckpointLockArgs) == 64);
static_assert(sizeof(CUcheckpointRestoreArgs) == 64);
}

namespace cardswap::cuda::driver {

inline constexpr CUresult kSuccess = 0;
inline constexpr CUresult kInvalidValue = 1;
inline constexpr CUresult kOutOfMemory = 2;
inline constexpr CUresult kNotInitialized = 3;
inline constexpr CUresult kOperatingSystem = 304;
inline constexpr CUresult kIllegalState = 401;
inline constexpr CUresult kNotReady = 600;
inline constexpr CUresult kNotSupported = 801;

inline constexpr CUprocessState kRunning = 0;
inline constexpr CUprocessState kLocked = 1;
inline constexpr CUprocessState kCheckpointed = 2;
inline constexpr CUprocessState kFailed = 3;

inline constexpr int kVersionOf570 = 12080;
inline constexpr int kVersionOf580 = 13000;

}  // namespace cardswap::cuda::driver
