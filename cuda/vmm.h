#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "cuda/runtime.h"
#include "migrator/base/descriptor.h"

namespace cardswap::cuda {

/// A GPU's memory that is mapped nowhere yet, as the driver numbers it.
enum class MemoryHandle : std::uint64_t {};

/// The driver's calls of virtual memory management that are made, in one table: driver_vmm() makes
/// the real ones, tests/stand_ins/vmm plays them. Addresses and sizes are multiples of
/// granularity(); a mapping is unmapped as a whole. Any thread; the driver's own numbers.
class Vmm {
 public:
  virtual ~Vmm() = default;

  virtual Status granularity(int device, std::size_t& bytes) = 0;
  /// Reserves addresses where the driver likes: `wish` is no more than that.
  virtual Status reserve(std::uint64_t& address, std::size_t bytes, std::size_t alignment,
                         std::uint64_t wish) = 0;
  virtual Status free(std::uint64_t address, std::size_t bytes) = 0;

  /// Allocates memory that can be exported, and that a network card may reach where it could.
  virtual Status create(int device, MemoryHandle& handle, std::size_t bytes) = 0;
  /// Lets go of a handle. The memory itself goes with its last handle, mapping and exported file.
  virtual Status release(MemoryHandle handle) = 0;
  virtual Status export_file(int& file, MemoryHandle handle) = 0;
  virtual Status import_file(int device, MemoryHandle& handle, int file) = 0;

  virtual Status map(std::uint64_t address, std::size_t bytes, MemoryHandle handle) = 0;
  virtual Status unmap(std::uint64_t address, std::size_t bytes) = 0;
  /// Lets kernels and copies of `device` use what was mapped, from here on.
  virtual Status allow(int device, std::uint64_t address, std::size_t bytes) = 0;
  /// Waits until everything that this process gave the GPU is done.
  virtual Status synchronize(int device) = 0;

  [[nodiscard]] virtual std::string text(Status status) = 0;
};

/// The driver's own calls, found at run time. Throws Error{refused} where there is no driver, or
/// one that lacks a call, named.
[[nodiscard]] std::shared_ptr<Vmm> driver_vmm(const std::string& library = "libcuda.so.1");

/// One device's memory management; a value, cheap to copy.
struct VmmGpu {
  std::shared_ptr<Vmm> vmm;
  int index = 0;

  /// Throws Error{no_memory, internal}: "cuMemCreate of 4096 bytes on cuda:0: out of memory (2)".
  void check(Status status, const char* call, std::size_t bytes = 0) const;
};

/// Addresses that nobody else in this process gets.
class AddressRange {
 public:
  /// Throws Error{refused}, naming the range, unless the driver gives exactly `address`.
  AddressRange(VmmGpu gpu, std::uint64_t address, std::size_t bytes);
  ~AddressRange() { (void)gpu_.vmm->free(address_, bytes_); }
  AddressRange(const AddressRange&) = delete;
  AddressRange& operator=(const AddressRange&) = delete;
  [[nodiscard]] std::uint64_t address() const { return address_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const VmmGpu gpu_;
  const std::uint64_t address_;
  const std::size_t bytes_;
};

/// Memory of a GPU, by its handle.
class Allocation {
 public:
  Allocation(VmmGpu gpu, std::size_t bytes) : gpu_(std::move(gpu)), bytes_(bytes) {
    gpu_.check(gpu_.vmm->create(gpu_.index, handle_, bytes), "cuMemCreate", bytes);
  }
  /// Imports what another process, or this one, has exported.
  Allocation(VmmGpu gpu, const Descriptor& file, std::size_t bytes)
      : gpu_(std::move(gpu)), bytes_(bytes) {
    gpu_.check(gpu_.vmm->import_file(gpu_.index, handle_, file.get()),
               "cuMemImportFromShareableHandle", bytes);
  }
  ~Allocation() { (void)gpu_.vmm->release(handle_); }
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  /// A file that keeps the memory and can be given to another process.
  [[nodiscard]] Descriptor export_file() const;
  [[nodiscard]] MemoryHandle handle() const { return handle_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const VmmGpu gpu_;
  MemoryHandle handle_{};
  const std::size_t bytes_;
};

/// All of an allocation at an address of a range, which outlives it, for its GPU to use.
class Mapping {
 public:
  Mapping(VmmGpu gpu, std::uint64_t address, const Allocation& memory);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  /// Unmaps now, and says when it failed, which the destructor cannot.
  void unmap();

 private:
  const VmmGpu gpu_;
  const std::uint64_t address_;
  const std::size_t bytes_;
  bool mapped_ = false;
};

}  // namespace cardswap::cuda
