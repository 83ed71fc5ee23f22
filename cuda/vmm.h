#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "cuda/cudart.h"
#include "migrator/base/descriptor.h"

namespace cardswap::cuda {

/// The driver's handle of an allocation. Creating it maps nothing.
enum class MemoryHandle : std::uint64_t {};

/// The driver's calls of virtual memory management that we use. driver_vmm() makes the real calls,
/// and tests/stand_ins/vmm replaces them in tests. Addresses and sizes are multiples of
/// granularity(); a mapping is unmapped as a whole. Any thread.
class Vmm {
 public:
  virtual ~Vmm() = default;

  virtual Status granularity(int device, std::size_t& bytes) = 0;
  /// Reserves addresses and sets `address`. The driver may ignore `wish`, the wanted address.
  virtual Status reserve(std::uint64_t& address, std::size_t bytes, std::size_t alignment,
                         std::uint64_t wish) = 0;
  virtual Status free(std::uint64_t address, std::size_t bytes) = 0;

  /// Allocates memory that can be exported, and that a network card can access if the GPU supports
  /// that.
  virtual Status create(int device, MemoryHandle& handle, std::size_t bytes) = 0;
  /// Releases a handle. The memory is freed with its last handle, mapping and exported file.
  virtual Status release(MemoryHandle handle) = 0;
  virtual Status export_file(int& file, MemoryHandle handle) = 0;
  virtual Status import_file(int device, MemoryHandle& handle, int file) = 0;

  virtual Status map(std::uint64_t address, std::size_t bytes, MemoryHandle handle) = 0;
  virtual Status unmap(std::uint64_t address, std::size_t bytes) = 0;
  /// Lets kernels and copies of `device` access what is mapped there.
  virtual Status allow(int device, std::uint64_t address, std::size_t bytes) = 0;
  /// Blocks until all work that this process gave to the GPU is done.
  virtual Status synchronize(int device) = 0;

  [[nodiscard]] virtual std::string text(Status status) = 0;
};

/// The driver's calls, loaded at run time. Throws Error{refused} when there is no driver, or it
/// lacks a call, which the text names.
[[nodiscard]] std::shared_ptr<Vmm> driver_vmm(const std::string& library = "libcuda.so.1");

/// A GPU of a Vmm, by its index. A value; cheap to copy.
struct VmmGpu {
  std::shared_ptr<Vmm> vmm;
  int index = 0;

  /// Throws Error{no_memory, internal}: "cuMemCreate of 4096 bytes on cuda:0: out of memory (2)".
  void check(Status status, const char* call, std::size_t bytes = 0) const;
};

/// Owns a reserved range of addresses.
class AddressRange {
 public:
  /// Throws Error{refused}, with the range in its text, unless the driver gives exactly `address`.
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

/// Owns a handle of a GPU's memory.
class Allocation {
 public:
  /// Allocates. This and the next throw as VmmGpu::check().
  Allocation(VmmGpu gpu, std::size_t bytes) : gpu_(std::move(gpu)), bytes_(bytes) {
    gpu_.check(gpu_.vmm->create(gpu_.index, handle_, bytes), "cuMemCreate", bytes);
  }
  /// Imports a file from export_file(), of another process or of this one.
  Allocation(VmmGpu gpu, const Descriptor& file, std::size_t bytes)
      : gpu_(std::move(gpu)), bytes_(bytes) {
    gpu_.check(gpu_.vmm->import_file(gpu_.index, handle_, file.get()),
               "cuMemImportFromShareableHandle", bytes);
  }
  ~Allocation() { (void)gpu_.vmm->release(handle_); }
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  /// A file that keeps the memory alive and can be sent to another process. Throws as
  /// VmmGpu::check().
  [[nodiscard]] Descriptor export_file() const;
  [[nodiscard]] MemoryHandle handle() const { return handle_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  const VmmGpu gpu_;
  MemoryHandle handle_{};
  const std::size_t bytes_;
};

/// Maps all of an allocation at an address of an AddressRange, for use by its GPU. The range
/// outlives this; the allocation need not.
class Mapping {
 public:
  /// Throws as VmmGpu::check().
  Mapping(VmmGpu gpu, std::uint64_t address, const Allocation& memory);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  /// Unmaps. Throws as VmmGpu::check() when that fails; the destructor would ignore it.
  void unmap();

 private:
  const VmmGpu gpu_;
  const std::uint64_t address_;
  const std::size_t bytes_;
  bool mapped_ = false;
};

}  // namespace cardswap::cuda
