#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/vmm.h"
#include "migrator/base/mutex.h"
#include "tests/stand_ins/cudart/runtime.h"

namespace cardswap::test {

/// A stand-in for the driver's virtual memory management. Its memory is memfds, so that bytes go
/// from one process's arena to another's as on a card. The card of a StandInCudart reads and writes
/// it once that was allowed; the host crashes when it touches it. Refuses what the driver refuses:
/// sizes that are no multiple of the granularity, two mappings at one place, half of a mapping
/// unmapped, and a reservation that is freed with something mapped. Any thread.
class StandInVmm final : public cuda::Vmm {
 public:
  static constexpr std::size_t kGranularity = 2U << 20U;
  explicit StandInVmm(std::shared_ptr<StandInCudart> card) : card_(std::move(card)) {}

  // ---- for tests
  /// The `number`-th call named `call` from now on returns `status`, once.
  void fail(const std::string& call, cuda::Status status, unsigned number = 1);
  /// The next reservation is made at another address than was wished.
  void take_away_next_address();
  /// At most `bytes` of memory may exist at a time.
  void limit(std::size_t bytes);
  /// The calls since the last time, in order, such as "cuMemCreate 2097152".
  [[nodiscard]] std::vector<std::string> calls();
  /// What was made and not released, in one line; "": nothing.
  [[nodiscard]] std::string leaks();

  // ---- Vmm
  cuda::Status granularity(int device, std::size_t& bytes) override;
  cuda::Status reserve(std::uint64_t& address, std::size_t bytes, std::size_t alignment,
                       std::uint64_t wish) override;
  cuda::Status free(std::uint64_t address, std::size_t bytes) override;
  cuda::Status create(int device, cuda::MemoryHandle& handle, std::size_t bytes) override;
  cuda::Status release(cuda::MemoryHandle handle) override;
  cuda::Status export_file(int& file, cuda::MemoryHandle handle) override;
  cuda::Status import_file(int device, cuda::MemoryHandle& handle, int file) override;
  cuda::Status map(std::uint64_t address, std::size_t bytes, cuda::MemoryHandle handle) override;
  cuda::Status unmap(std::uint64_t address, std::size_t bytes) override;
  cuda::Status allow(int device, std::uint64_t address, std::size_t bytes) override;
  cuda::Status synchronize(int device) override;
  std::string text(cuda::Status status) override;

 private:
  struct Reserved {
    std::size_t bytes = 0;
    std::byte* behind = nullptr;  // where the card's side finds the bytes: as many addresses
  };
  struct Mapped {
    std::size_t bytes = 0;
    std::byte* behind = nullptr;
  };
  struct Memory {
    Descriptor file;
    std::size_t bytes = 0;
  };

  cuda::Status called(const std::string& call, std::uint64_t detail) CARDSWAP_REQUIRES(mutex_);

  const std::shared_ptr<StandInCudart> card_;
  Mutex mutex_;
  std::vector<std::string> calls_ CARDSWAP_GUARDED_BY(mutex_);
  std::map<std::string, std::pair<cuda::Status, unsigned>> failures_ CARDSWAP_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Reserved> reserved_ CARDSWAP_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Mapped> mapped_ CARDSWAP_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Memory> memory_ CARDSWAP_GUARDED_BY(mutex_);  // by handle
  std::uint64_t next_ CARDSWAP_GUARDED_BY(mutex_) = 1;
  std::size_t limit_ CARDSWAP_GUARDED_BY(mutex_) = std::size_t{1} << 40U;
  bool taken_away_ CARDSWAP_GUARDED_BY(mutex_) = false;
};

}  // namespace cardswap::test
