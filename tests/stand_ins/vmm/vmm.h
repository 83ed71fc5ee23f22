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

/// A stand-in for the driver's virtual memory management: memory is memfds, so that bytes go from
/// one process's arena to another's as on a card, and the card of a StandInCudart uses it behind
/// its addresses once that was allowed, while the host crashes that touches it. Refuses what the
/// driver refuses: sizes that are no multiples, two mappings in one place, half an unmapping, a
/// reservation that is given back with something mapped. Any thread.
class StandInVmm final : public cuda::Vmm {
 public:
  static constexpr std::size_t kGranularity = 2U << 20U;
  explicit StandInVmm(std::shared_ptr<StandInCudart> card) : card_(std::move(card)) {}

  // ---- for tests
  /// The `number`-th call of `call` from now on fails, once.
  void fail(const std::string& call, cuda::Status status, unsigned number = 1);
  /// The driver places the next reservation somewhere else than was wished.
  void take_away_next_address();
  /// Memory that may be there at once.
  void limit(std::size_t bytes);
  /// "cuMemCreate 2097152", in order, since the last time.
  [[nodiscard]] std::vector<std::string> calls();
  /// What was made and not released: "", or a line that says what.
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
    std::byte* behind = nullptr;  // as many addresses, where the card's side finds the bytes
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
