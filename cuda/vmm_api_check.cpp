// vmm_api.h against CUDA's own header, where there is one. Nothing of this is called.

#include <cuda.h>

#include <cstddef>
#include <cstdint>

namespace ours {
#include "cuda/vmm_api.h"
}  // namespace ours

namespace {

using Ours = ours::CUmemAllocationProp;
using Theirs = ::CUmemAllocationProp;
namespace numbers = ours::cardswap::cuda::driver;

static_assert(sizeof(Ours) == sizeof(Theirs));
static_assert(offsetof(Ours, type) == offsetof(Theirs, type));
static_assert(offsetof(Ours, requestedHandleTypes) == offsetof(Theirs, requestedHandleTypes));
static_assert(offsetof(Ours, location) == offsetof(Theirs, location));
static_assert(offsetof(Ours, win32HandleMetaData) == offsetof(Theirs, win32HandleMetaData));
static_assert(offsetof(Ours, allocFlags) == offsetof(Theirs, allocFlags));
static_assert(offsetof(Ours, allocFlags.gpuDirectRDMACapable) ==
              offsetof(Theirs, allocFlags.gpuDirectRDMACapable));
static_assert(sizeof(ours::CUmemLocation) == sizeof(::CUmemLocation));
static_assert(offsetof(ours::CUmemLocation, id) == offsetof(::CUmemLocation, id));
static_assert(sizeof(ours::CUmemAccessDesc) == sizeof(::CUmemAccessDesc));
static_assert(offsetof(ours::CUmemAccessDesc, flags) == offsetof(::CUmemAccessDesc, flags));
static_assert(sizeof(ours::CUdeviceptr) == sizeof(::CUdeviceptr));
static_assert(sizeof(ours::CUdevice) == sizeof(::CUdevice));
static_assert(sizeof(ours::CUresult) == sizeof(::CUresult));
static_assert(sizeof(ours::CUmemGenericAllocationHandle) == sizeof(::CUmemGenericAllocationHandle));

static_assert(numbers::kPinned == CU_MEM_ALLOCATION_TYPE_PINNED);
static_assert(numbers::kOnDevice == CU_MEM_LOCATION_TYPE_DEVICE);
static_assert(numbers::kPosixFile == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
static_assert(numbers::kReadWrite == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
static_assert(numbers::kGranularityMinimum == CU_MEM_ALLOC_GRANULARITY_MINIMUM);
static_assert(numbers::kDirectRdmaWithVmm ==
              CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED);
static_assert(numbers::kPosixFilesSupported ==
              CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);
static_assert(numbers::kSuccess == CUDA_SUCCESS &&
              numbers::kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);

}  // namespace
