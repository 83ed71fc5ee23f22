#include "cuda/vmm.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap::cuda {

void VmmGpu::check(Status status, const char* call, std::size_t bytes) const {
  if (status == Status::ok) return;
  const auto size = bytes == 0 ? std::string() : fmt::format(" of {} bytes", bytes);
  const auto failure = fmt::format("{}{} on cuda:{}: {} ({})", call, size, index, vmm->text(status),
                                   static_cast<int>(status));
  if (status == Status::no_memory) {
    throw Error(Code::no_memory, failure, "`nvidia-smi` shows who holds the device's memory");
  }
  throw Error(Code::internal, failure, "`nvidia-smi -q` and the kernel log say what the GPU has");
}

AddressRange::AddressRange(VmmGpu gpu, std::uint64_t address, std::size_t bytes)
    : gpu_(std::move(gpu)), address_(address), bytes_(bytes) {
  std::uint64_t got = 0;
  const auto status = gpu_.vmm->reserve(got, bytes, 0, address);
  if (status == Status::ok && got == address) return;
  if (status == Status::ok) (void)gpu_.vmm->free(got, bytes);
  throw Error(Code::refused,
              fmt::format("addresses {:#x} to {:#x} cannot be reserved on cuda:{}: {}", address,
                          address + bytes, gpu_.index,
                          status == Status::ok ? "something is there" : gpu_.vmm->text(status)),
              "another target, or --arrive standby");
}

Descriptor Allocation::export_file() const {
  int file = -1;
  gpu_.check(gpu_.vmm->export_file(file, handle_), "cuMemExportToShareableHandle", bytes_);
  ::fcntl(file, F_SETFD, FD_CLOEXEC);
  return Descriptor(file);
}

Mapping::Mapping(VmmGpu gpu, std::uint64_t address, const Allocation& memory)
    : gpu_(std::move(gpu)), address_(address), bytes_(memory.bytes()) {
  gpu_.check(gpu_.vmm->map(address_, bytes_, memory.handle()), "cuMemMap", bytes_);
  mapped_ = true;
  try {
    gpu_.check(gpu_.vmm->allow(gpu_.index, address_, bytes_), "cuMemSetAccess", bytes_);
  } catch (const Error&) {
    (void)gpu_.vmm->unmap(address_, bytes_);  // no destructor runs
    throw;
  }
}

Mapping::~Mapping() {
  if (mapped_) (void)gpu_.vmm->unmap(address_, bytes_);
}

void Mapping::unmap() {
  gpu_.check(gpu_.vmm->unmap(address_, bytes_), "cuMemUnmap", bytes_);
  mapped_ = false;
}

}  // namespace cardswap::cuda
