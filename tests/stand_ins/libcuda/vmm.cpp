/// A stand-in for libcuda's virtual memory management, where its calls are those of the library: a
/// card whose memory is memfds, mapped where the host can touch it too. Says 1 (invalid value) to
/// arguments that the driver does not take, 201 (invalid context) outside the card's context, and
/// 2 (out of memory) to more than a GiB.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "cuda/vmm_api.h"

namespace {

using namespace cardswap::cuda::driver;  // NOLINT: its numbers

constexpr CUresult kInvalidContext = 201;
constexpr CUdevice kCardNumber = 4;  // an ordinal is not a device
constexpr std::size_t kGranularity = 2U << 20U;
constexpr std::size_t kMax = 1U << 30U;

CUcontext context() {
  static int place = 0;
  return reinterpret_cast<CUcontext>(&place);
}
std::vector<CUcontext>& contexts() {
  thread_local std::vector<CUcontext> stack;
  return stack;
}
bool is_current() { return !contexts().empty() && contexts().back() == context(); }
void* pointer(CUdeviceptr address) { return reinterpret_cast<void*>(address); }  // NOLINT
bool fits(std::uint64_t bytes) { return bytes > 0 && bytes % kGranularity == 0; }

bool is_right(const CUmemAllocationProp& wanted) {
  return wanted.type == kPinned && wanted.requestedHandleTypes == kPosixFile &&
         wanted.location.type == kOnDevice && wanted.location.id == kCardNumber &&
         wanted.win32HandleMetaData == nullptr && wanted.allocFlags.gpuDirectRDMACapable == 1 &&
         wanted.allocFlags.usage == 0;
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned flags) { return flags == 0 ? kSuccess : kInvalidValue; }
CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error == kOutOfMemory ? "out of memory" : "an error of the stand-in";
  return kSuccess;
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = kCardNumber;
  return ordinal == 0 ? kSuccess : 101;
}
CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
  *value = attribute == kPosixFilesSupported || attribute == kDirectRdmaWithVmm ? 1 : 0;
  return device == kCardNumber ? kSuccess : 101;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* retained, CUdevice device) {
  *retained = context();
  return device == kCardNumber ? kSuccess : 101;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return kSuccess; }
CUresult cuCtxPushCurrent_v2(CUcontext pushed) {
  contexts().push_back(pushed);
  return kSuccess;
}
CUresult cuCtxPopCurrent_v2(CUcontext* popped) {
  if (contexts().empty()) return kInvalidContext;
  *popped = contexts().back();
  contexts().pop_back();
  return kSuccess;
}
CUresult cuCtxSynchronize() { return is_current() ? kSuccess : kInvalidContext; }

CUresult cuMemGetAllocationGranularity(std::size_t* bytes, const CUmemAllocationProp* wanted,
                                       int option) {
  *bytes = kGranularity;
  return is_right(*wanted) && option == kGranularityMinimum ? kSuccess : kInvalidValue;
}
CUresult cuMemAddressReserve(CUdeviceptr* address, std::size_t bytes, std::size_t alignment,
                             CUdeviceptr wish, unsigned long long flags) {  // NOLINT
  if (!fits(bytes) || (alignment & (alignment - 1)) != 0 || flags != 0) return kInvalidValue;
  auto* got = ::mmap(pointer(wish), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);  // a wish
  *address = reinterpret_cast<CUdeviceptr>(got);
  return got == MAP_FAILED ? kOutOfMemory : kSuccess;
}
CUresult cuMemAddressFree(CUdeviceptr address, std::size_t bytes) {
  return ::munmap(pointer(address), bytes) == 0 ? kSuccess : kInvalidValue;
}
CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, std::size_t bytes,
                     const CUmemAllocationProp* wanted, unsigned long long flags) {  // NOLINT
  if (!is_current()) return kInvalidContext;
  if (!fits(bytes) || !is_right(*wanted) || flags != 0) return kInvalidValue;
  if (bytes > kMax) return kOutOfMemory;
  const int file = ::memfd_create("stand-in libcuda", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(bytes)) != 0) return kOutOfMemory;
  *handle = static_cast<CUmemGenericAllocationHandle>(file) + 1000;
  return kSuccess;
}
CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  return ::close(static_cast<int>(handle - 1000)) == 0 ? kSuccess : kInvalidValue;
}
CUresult cuMemExportToShareableHandle(void* file, CUmemGenericAllocationHandle handle, int type,
                                      unsigned long long flags) {  // NOLINT
  if (type != kPosixFile || flags != 0) return kInvalidValue;
  *static_cast<int*>(file) = ::fcntl(static_cast<int>(handle - 1000), F_DUPFD, 0);
  return *static_cast<int*>(file) < 0 ? kInvalidValue : kSuccess;
}
CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* handle, void* file,
                                        int type) {
  if (!is_current()) return kInvalidContext;
  const int copy =
      ::fcntl(static_cast<int>(reinterpret_cast<std::uintptr_t>(file)), F_DUPFD_CLOEXEC, 0);
  *handle = static_cast<CUmemGenericAllocationHandle>(copy) + 1000;
  return copy < 0 || type != kPosixFile ? kInvalidValue : kSuccess;
}
CUresult cuMemMap(CUdeviceptr address, std::size_t bytes, std::size_t offset,
                  CUmemGenericAllocationHandle handle, unsigned long long flags) {  // NOLINT
  struct stat known {};
  const auto file = static_cast<int>(handle - 1000);
  if (offset != 0 || flags != 0 || !fits(bytes) || ::fstat(file, &known) != 0 ||
      static_cast<std::size_t>(known.st_size) < bytes) {
    return kInvalidValue;
  }
  auto* got = ::mmap(pointer(address), bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, file, 0);
  return got == MAP_FAILED ? kInvalidValue : kSuccess;
}
CUresult cuMemSetAccess(CUdeviceptr address, std::size_t bytes, const CUmemAccessDesc* access,
                        std::size_t count) {
  if (!is_current()) return kInvalidContext;
  if (count != 1 || access->location.type != kOnDevice || access->location.id != kCardNumber ||
      access->flags != kReadWrite) {
    return kInvalidValue;
  }
  return ::mprotect(pointer(address), bytes, PROT_READ | PROT_WRITE) == 0 ? kSuccess
                                                                          : kInvalidValue;
}
CUresult cuMemUnmap(CUdeviceptr address, std::size_t bytes) {
  auto* got = ::mmap(pointer(address), bytes, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return got == MAP_FAILED ? kInvalidValue : kSuccess;
}
}
