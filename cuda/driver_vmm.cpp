// The table of cuda/vmm.h over NVIDIA's driver.

#include <fmt/format.h>

#include <map>

#include "cuda/library.h"
#include "cuda/vmm.h"
#include "cuda/vmm_api.h"
#include "migrator/base/error.h"
#include "migrator/base/mutex.h"

namespace cardswap::cuda {
namespace {

using namespace driver;  // NOLINT: its numbers

static_assert(static_cast<int>(Status::no_memory) == kOutOfMemory);
static_assert(static_cast<int>(Status::not_ready) == kNotReady);

class DriverVmm final : public Vmm {
 public:
  explicit DriverVmm(const std::string& library) : name_(library), library_(library) {
    if (!library_) {
      throw Error(Code::refused, fmt::format("there is no NVIDIA driver here ({})", library));
    }
    CUresult (*init)(unsigned) = nullptr;
    load(init, "cuInit");
    load(device_get_, "cuDeviceGet");
    load(attribute_, "cuDeviceGetAttribute");
    load(retain_context_, "cuDevicePrimaryCtxRetain");
    load(release_context_, "cuDevicePrimaryCtxRelease_v2");
    load(push_, "cuCtxPushCurrent_v2");
    load(pop_, "cuCtxPopCurrent_v2");
    load(synchronize_, "cuCtxSynchronize");
    load(error_string_, "cuGetErrorString");
    load(granularity_, "cuMemGetAllocationGranularity");
    load(reserve_, "cuMemAddressReserve");
    load(free_, "cuMemAddressFree");
    load(create_, "cuMemCreate");
    load(release_, "cuMemRelease");
    load(export_, "cuMemExportToShareableHandle");
    load(import_, "cuMemImportFromShareableHandle");
    load(map_, "cuMemMap");
    load(unmap_, "cuMemUnmap");
    load(set_access_, "cuMemSetAccess");
    if (const auto result = init(0); result != kSuccess) {
      throw Error(Code::refused, fmt::format("cuInit: error {}", result),
                  "`nvidia-smi` says whether the GPUs work");
    }
  }
  ~DriverVmm() override {
    for (const auto& [device, gpu] : gpus_) (void)release_context_(gpu.number);
  }
  DriverVmm(const DriverVmm&) = delete;
  DriverVmm& operator=(const DriverVmm&) = delete;

  Status granularity(int device, std::size_t& bytes) override {
    return with(device, [&](const DriverGpu& gpu) {
      const auto wanted = properties(gpu);
      return granularity_(&bytes, &wanted, kGranularityMinimum);
    });
  }
  Status reserve(std::uint64_t& address, std::size_t bytes, std::size_t alignment,
                 std::uint64_t wish) override {
    CUdeviceptr got = 0;
    const auto result = reserve_(&got, bytes, alignment, wish, 0);
    address = got;
    return of(result);
  }
  Status free(std::uint64_t address, std::size_t bytes) override {
    return of(free_(address, bytes));
  }
  Status create(int device, MemoryHandle& handle, std::size_t bytes) override {
    return with(device, [&](const DriverGpu& gpu) {
      const auto wanted = properties(gpu);
      CUmemGenericAllocationHandle made = 0;
      const auto result = create_(&made, bytes, &wanted, 0);
      handle = static_cast<MemoryHandle>(made);
      return result;
    });
  }
  Status release(MemoryHandle handle) override { return of(release_(number(handle))); }
  Status export_file(int& file, MemoryHandle handle) override {
    return of(export_(&file, number(handle), kPosixFile, 0));
  }
  Status import_file(int device, MemoryHandle& handle, int file) override {
    return with(device, [&](const DriverGpu&) {
      CUmemGenericAllocationHandle made = 0;
      auto* number = reinterpret_cast<void*>(  // NOLINT(performance-no-int-to-ptr): the API's way
          static_cast<std::uintptr_t>(file));
      const auto result = import_(&made, number, kPosixFile);
      handle = static_cast<MemoryHandle>(made);
      return result;
    });
  }
  Status map(std::uint64_t address, std::size_t bytes, MemoryHandle handle) override {
    return of(map_(address, bytes, 0, number(handle), 0));
  }
  Status unmap(std::uint64_t address, std::size_t bytes) override {
    return of(unmap_(address, bytes));
  }
  Status allow(int device, std::uint64_t address, std::size_t bytes) override {
    return with(device, [&](const DriverGpu& gpu) {
      const CUmemAccessDesc access{{kOnDevice, gpu.number}, kReadWrite};
      return set_access_(address, bytes, &access, 1);
    });
  }
  Status synchronize(int device) override {
    return with(device, [&](const DriverGpu&) { return synchronize_(); });
  }
  std::string text(Status status) override {
    const char* words = nullptr;
    (void)error_string_(static_cast<CUresult>(status), &words);
    return words == nullptr ? "an error that the driver has no words for" : words;
  }

 private:
  struct DriverGpu {
    CUdevice number = 0;
    CUcontext context = nullptr;
    bool direct_rdma = false;
  };

  static Status of(CUresult result) { return static_cast<Status>(result); }
  static CUmemGenericAllocationHandle number(MemoryHandle handle) {
    return static_cast<CUmemGenericAllocationHandle>(handle);
  }

  template <class Function>
  void load(Function& function, const char* name) const {
    if (library_.find(function, name)) return;
    throw Error(Code::refused, fmt::format("the NVIDIA driver ({}) has no {}", name_, name),
                "driver 450 or later has");
  }

  static CUmemAllocationProp properties(const DriverGpu& gpu) {
    CUmemAllocationProp wanted{};
    wanted.type = kPinned;
    wanted.requestedHandleTypes = kPosixFile;
    wanted.location = {kOnDevice, gpu.number};
    wanted.allocFlags.gpuDirectRDMACapable = gpu.direct_rdma ? 1 : 0;
    return wanted;
  }

  /// `act` in the device's primary context, which is the one that CUDA's runtime uses; the calling
  /// thread's own is as it was afterwards.
  template <class Act>
  Status with(int device, Act act) {
    DriverGpu gpu;
    {
      const MutexLock lock(mutex_);
      auto found = gpus_.find(device);
      if (found == gpus_.end()) {
        if (const auto result = device_get_(&gpu.number, device); result != kSuccess) {
          return of(result);
        }
        int files = 0;
        int direct = 0;
        (void)attribute_(&files, kPosixFilesSupported, gpu.number);
        (void)attribute_(&direct, kDirectRdmaWithVmm, gpu.number);
        if (files == 0) return of(kNotSupported);
        gpu.direct_rdma = direct != 0;
        if (const auto result = retain_context_(&gpu.context, gpu.number); result != kSuccess) {
          return of(result);
        }
        found = gpus_.emplace(device, gpu).first;
      }
      gpu = found->second;
    }
    if (const auto result = push_(gpu.context); result != kSuccess) return of(result);
    const auto result = act(gpu);
    CUcontext popped = nullptr;
    (void)pop_(&popped);
    return of(result);
  }

  const std::string name_;
  const Library library_;
  CUresult (*device_get_)(CUdevice*, int) = nullptr;
  CUresult (*attribute_)(int*, int, CUdevice) = nullptr;
  CUresult (*retain_context_)(CUcontext*, CUdevice) = nullptr;
  CUresult (*release_context_)(CUdevice) = nullptr;
  CUresult (*push_)(CUcontext) = nullptr;
  CUresult (*pop_)(CUcontext*) = nullptr;
  CUresult (*synchronize_)() = nullptr;
  CUresult (*error_string_)(CUresult, const char**) = nullptr;
  CUresult (*granularity_)(std::size_t*, const CUmemAllocationProp*, int) = nullptr;
  CUresult (*reserve_)(CUdeviceptr*, std::size_t, std::size_t, CUdeviceptr,
                       unsigned long long) = nullptr;  // NOLINT(google-runtime-int): cuda.h's
  CUresult (*free_)(CUdeviceptr, std::size_t) = nullptr;
  CUresult (*create_)(CUmemGenericAllocationHandle*, std::size_t, const CUmemAllocationProp*,
                      unsigned long long) = nullptr;  // NOLINT(google-runtime-int)
  CUresult (*release_)(CUmemGenericAllocationHandle) = nullptr;
  CUresult (*export_)(void*, CUmemGenericAllocationHandle, int,
                      unsigned long long) = nullptr;  // NOLINT(google-runtime-int)
  CUresult (*import_)(CUmemGenericAllocationHandle*, void*, int) = nullptr;
  CUresult (*map_)(CUdeviceptr, std::size_t, std::size_t, CUmemGenericAllocationHandle,
                   unsigned long long) = nullptr;  // NOLINT(google-runtime-int)
  CUresult (*unmap_)(CUdeviceptr, std::size_t) = nullptr;
  CUresult (*set_access_)(CUdeviceptr, std::size_t, const CUmemAccessDesc*, std::size_t) = nullptr;

  Mutex mutex_;
  std::map<int, DriverGpu> gpus_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<Vmm> driver_vmm(const std::string& library) {
  return std::make_shared<DriverVmm>(library);
}

}  // namespace cardswap::cuda
