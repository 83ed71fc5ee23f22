#include "tests/stand_ins/vmm/vmm.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "migrator/base/mutex.h"

namespace cardswap::test {
namespace {

using cuda::MemoryHandle;
using cuda::Status;

constexpr auto kInvalid = static_cast<Status>(1);

void* pointer(std::uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

/// Addresses that no allocation gets and nobody may access.
bool close_off(std::uint64_t address, std::size_t bytes, int how) {
  return ::mmap(pointer(address), bytes, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | how, -1, 0) == pointer(address);
}

bool fits(std::uint64_t number) { return number > 0 && number % StandInVmm::kGranularity == 0; }

}  // namespace

Status StandInVmm::called(const std::string& call, std::uint64_t detail) {
  calls_.push_back(call + (detail == 0 ? "" : " " + std::to_string(detail)));
  const auto found = failures_.find(call);
  if (found == failures_.end() || --found->second.second > 0) return Status::ok;
  const auto status = found->second.first;
  failures_.erase(found);
  return status;
}

// ---- for tests

void StandInVmm::fail(const std::string& call, Status status, unsigned number) {
  const MutexLock lock(mutex_);
  failures_[call] = {status, number};
}

void StandInVmm::take_away_next_address() {
  const MutexLock lock(mutex_);
  taken_away_ = true;
}

void StandInVmm::limit(std::size_t bytes) {
  const MutexLock lock(mutex_);
  limit_ = bytes;
}

std::vector<std::string> StandInVmm::calls() {
  const MutexLock lock(mutex_);
  return std::exchange(calls_, {});
}

std::string StandInVmm::leaks() {
  const MutexLock lock(mutex_);
  if (reserved_.empty() && mapped_.empty() && memory_.empty()) return "";
  return std::to_string(reserved_.size()) + " reservations, " + std::to_string(mapped_.size()) +
         " mappings, " + std::to_string(memory_.size()) + " handles";
}

// ---- Vmm

Status StandInVmm::granularity(int, std::size_t& bytes) {
  const MutexLock lock(mutex_);
  bytes = kGranularity;
  return called("cuMemGetAllocationGranularity", 0);
}

Status StandInVmm::reserve(std::uint64_t& address, std::size_t bytes, std::size_t,
                           std::uint64_t wish) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemAddressReserve", bytes); status != Status::ok) return status;
  if (!fits(bytes)) return kInvalid;
  if (!std::exchange(taken_away_, false) && wish != 0 &&
      close_off(wish, bytes, MAP_FIXED_NOREPLACE)) {
    address = wish;
  } else {
    auto* somewhere =
        ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (somewhere == MAP_FAILED) return Status::no_memory;
    address = reinterpret_cast<std::uint64_t>(somewhere);
  }
  auto* behind =
      ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  reserved_[address] = {bytes, static_cast<std::byte*>(behind)};
  return behind == MAP_FAILED ? Status::no_memory : Status::ok;
}

Status StandInVmm::free(std::uint64_t address, std::size_t bytes) {
  const MutexLock lock(mutex_);
  (void)called("cuMemAddressFree", bytes);
  const auto found = reserved_.find(address);
  if (found == reserved_.end() || found->second.bytes != bytes) return kInvalid;
  const auto inside = mapped_.lower_bound(address);
  if (inside != mapped_.end() && inside->first < address + bytes) return kInvalid;
  ::munmap(pointer(address), bytes);
  ::munmap(found->second.behind, bytes);
  reserved_.erase(found);
  return Status::ok;
}

Status StandInVmm::create(int device, MemoryHandle& handle, std::size_t bytes) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemCreate", bytes); status != Status::ok) return status;
  if (!fits(bytes) || device != 0) return kInvalid;
  std::size_t there = bytes;
  for (const auto& [number, memory] : memory_) there += memory.bytes;
  if (there > limit_) return Status::no_memory;
  Descriptor file(::memfd_create("stand-in vmm", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return Status::no_memory;
  handle = static_cast<MemoryHandle>(next_);
  memory_[next_++] = {std::move(file), bytes};
  return Status::ok;
}

Status StandInVmm::release(MemoryHandle handle) {
  const MutexLock lock(mutex_);
  (void)called("cuMemRelease", 0);
  return memory_.erase(static_cast<std::uint64_t>(handle)) == 0 ? kInvalid : Status::ok;
}

Status StandInVmm::export_file(int& file, MemoryHandle handle) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemExportToShareableHandle", 0); status != Status::ok) {
    return status;
  }
  const auto found = memory_.find(static_cast<std::uint64_t>(handle));
  if (found == memory_.end()) return kInvalid;
  file = ::fcntl(found->second.file.get(), F_DUPFD, 0);
  return file < 0 ? kInvalid : Status::ok;
}

Status StandInVmm::import_file(int device, MemoryHandle& handle, int file) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemImportFromShareableHandle", 0); status != Status::ok) {
    return status;
  }
  struct stat known {};
  if (device != 0 || ::fstat(file, &known) != 0) return kInvalid;
  handle = static_cast<MemoryHandle>(next_);
  memory_[next_++] = {Descriptor(::fcntl(file, F_DUPFD_CLOEXEC, 0)),
                      static_cast<std::size_t>(known.st_size)};
  return Status::ok;
}

Status StandInVmm::map(std::uint64_t address, std::size_t bytes, MemoryHandle handle) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemMap", bytes); status != Status::ok) return status;
  const auto memory = memory_.find(static_cast<std::uint64_t>(handle));
  auto range = reserved_.upper_bound(address);
  if (range == reserved_.begin() || memory == memory_.end() || bytes > memory->second.bytes ||
      !fits(bytes) || !fits(address)) {
    return kInvalid;
  }
  --range;
  if (address + bytes > range->first + range->second.bytes) return kInvalid;
  for (const auto& [at, other] : mapped_) {
    if (at < address + bytes && address < at + other.bytes) return kInvalid;
  }
  auto* behind =
      ::mmap(range->second.behind + (address - range->first), bytes, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, memory->second.file.get(), 0);
  if (behind == MAP_FAILED) return Status::no_memory;
  mapped_[address] = {bytes, static_cast<std::byte*>(behind)};
  return Status::ok;
}

Status StandInVmm::unmap(std::uint64_t address, std::size_t bytes) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemUnmap", bytes); status != Status::ok) return status;
  const auto found = mapped_.find(address);
  if (found == mapped_.end() || found->second.bytes != bytes) return kInvalid;
  card_->remove_memory(static_cast<std::byte*>(pointer(address)));
  close_off(reinterpret_cast<std::uint64_t>(found->second.behind), bytes, MAP_FIXED);
  mapped_.erase(found);
  return Status::ok;
}

Status StandInVmm::allow(int, std::uint64_t address, std::size_t bytes) {
  const MutexLock lock(mutex_);
  if (const auto status = called("cuMemSetAccess", bytes); status != Status::ok) return status;
  const auto found = mapped_.find(address);
  if (found == mapped_.end() || found->second.bytes != bytes) return kInvalid;
  card_->add_memory(static_cast<std::byte*>(pointer(address)), bytes, found->second.behind);
  return Status::ok;
}

Status StandInVmm::synchronize(int) {
  {
    const MutexLock lock(mutex_);
    if (const auto status = called("cuCtxSynchronize", 0); status != Status::ok) return status;
  }
  card_->finish();
  return Status::ok;
}

std::string StandInVmm::text(Status status) {
  return status == Status::no_memory ? "out of memory" : "an error of the stand-in";
}

}  // namespace cardswap::test
