#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/driver_api.h"

/// CUDA's virtual memory management, declared as the rest in driver_api.h. Names, numbers and
/// layouts are those of cuda.h; vmm_api_check.cpp compares them in a build with CUDA's headers.
extern "C" {

using CUdevice = int;
using CUcontext = struct CUctx_st*;
using CUdeviceptr = unsigned long long;                   // NOLINT(google-runtime-int): cuda.h's
using CUmemGenericAllocationHandle = unsigned long long;  // NOLINT(google-runtime-int)

struct CUmemLocation {
  int type;
  int id;
};
struct CUmemAllocationProp {
  int type;
  int requestedHandleTypes;
  CUmemLocation location;
  void* win32HandleMetaData;
  struct {
    unsigned char compressionType;
    unsigned char gpuDirectRDMACapable;
    unsigned short usage;  // NOLINT(google-runtime-int)
    unsigned char reserved[4];
  } allocFlags;
};
struct CUmemAccessDesc {
  CUmemLocation location;
  int flags;
};
}

namespace cardswap::cuda::driver {

inline constexpr int kPinned = 1;               // CU_MEM_ALLOCATION_TYPE_
inline constexpr int kOnDevice = 1;             // CU_MEM_LOCATION_TYPE_
inline constexpr int kPosixFile = 1;            // CU_MEM_HANDLE_TYPE_
inline constexpr int kReadWrite = 3;            // CU_MEM_ACCESS_FLAGS_PROT_
inline constexpr int kGranularityMinimum = 0;   // CU_MEM_ALLOC_GRANULARITY_
inline constexpr int kDirectRdmaWithVmm = 110;  // CU_DEVICE_ATTRIBUTE_, as the next
inline constexpr int kPosixFilesSupported = 103;

}  // namespace cardswap::cuda::driver
