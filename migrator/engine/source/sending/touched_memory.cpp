#include "migrator/engine/source/sending/touched_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {

TouchedMemory::TouchedMemory(std::size_t bytes) {
  if (bytes == 0) return;
  auto* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    throw Error(Code::no_memory, fmt::format("reserve {} bytes for a copy of the state", bytes));
  }
  bytes_ = {static_cast<std::byte*>(at), bytes};
  (void)::madvise(at, bytes, MADV_HUGEPAGE);  // fewer faults; where there are none, it is refused
}

TouchedMemory::~TouchedMemory() {
  if (!bytes_.empty()) (void)::munmap(bytes_.data(), bytes_.size());
}

TouchedMemory::TouchedMemory(TouchedMemory&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})) {}

TouchedMemory& TouchedMemory::operator=(TouchedMemory&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

void TouchedMemory::touch(std::size_t from, std::size_t count) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto end = std::min(from + count, bytes_.size());
  for (auto at = from; at < end; at += page) bytes_[at] = std::byte{};
}

}  // namespace cardswap
