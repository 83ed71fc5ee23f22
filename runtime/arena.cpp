#include "runtime/arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "migrator/error.h"

#if defined(__SANITIZE_THREAD__)
#define CARDSWAP_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CARDSWAP_THREAD_SANITIZER 1
#endif
#endif

namespace cardswap {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAlignment = 64;  // LibTorch's own
constexpr std::uint64_t kHeadBytes = kPage;
constexpr std::uint64_t kGrowBytes = 16ULL << 20;
constexpr std::uint64_t kReserveBytesMax = 1ULL << 40;
constexpr std::uint64_t kReserveBytesMin = 1ULL << 30;
constexpr int kTries = 32;
#ifdef CARDSWAP_THREAD_SANITIZER
constexpr std::uint64_t kLowest = 0x7e9000000000;  // the rest is the sanitizer's
constexpr std::uint64_t kHighest = 0x7ef000000000;
#else
// Above what a program without ASLR's heap uses, below where its image and libraries are mapped.
constexpr std::uint64_t kLowest = 0x110000000000;
constexpr std::uint64_t kHighest = 0x500000000000;
#endif
constexpr std::uint64_t kPlaceAlignment = 2ULL << 20;

std::uint64_t up(std::uint64_t bytes, std::uint64_t to) { return (bytes + to - 1) / to * to; }

void* pointer(std::uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): agreed addresses
}

/// False when something is mapped there.
bool reserve_at(std::uint64_t address, std::uint64_t bytes) {
  void* got = ::mmap(pointer(address), bytes, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) return false;
  if (got == pointer(address)) return true;
  ::munmap(got, bytes);  // a kernel before 4.17 takes the address as a wish
  return false;
}

Error io_error(std::string_view doing) {
  return {Code::io, fmt::format("{}: {}", doing, std::strerror(errno)),
          "is there memory left, and no limit on addresses (ulimit -v)?"};
}

}  // namespace

Descriptor make_arena_file(std::uint64_t bytes) {
  Descriptor file(::memfd_create("cardswap-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.fd(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(file.fd(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    throw io_error(fmt::format("make an arena's file of {} bytes", bytes));
  }
  return file;
}

void check_arena_file(const Descriptor& file, std::uint64_t bytes) {
  struct stat status {};
  const int seals = ::fcntl(file.fd(), F_GET_SEALS);
  // One that could shrink would make the program fault whenever its other owner likes.
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || (seals & F_SEAL_WRITE) != 0 ||
      ::fstat(file.fd(), &status) != 0) {
    throw Error(Code::bad_request, "what was handed over is no arena's file");
  }
  if (static_cast<std::uint64_t>(status.st_size) < bytes) {
    throw Error(Code::bad_request, fmt::format("an arena's file of {} bytes where {} were said",
                                               status.st_size, bytes));
  }
}

std::shared_ptr<Arena> Arena::reserve() {
  std::random_device random;
  for (auto bytes = kReserveBytesMax; bytes >= kReserveBytesMin; bytes /= 2) {
    if (bytes >= kHighest - kLowest) continue;
    std::uniform_int_distribution<std::uint64_t> places(
        0, (kHighest - kLowest - bytes) / kPlaceAlignment);
    for (int i = 0; i < kTries; ++i) {
      const auto base = kLowest + places(random) * kPlaceAlignment;
      // Not make_shared: the constructor is private.
      if (reserve_at(base, bytes)) return std::shared_ptr<Arena>(new Arena(base, bytes));
      if (errno == ENOMEM) break;  // too much for a limit on addresses
    }
  }
  throw Error(Code::refused,
              fmt::format("no {} MiB of addresses are free for an arena", kReserveBytesMin >> 20U),
              "raise the limit on addresses (ulimit -v)");
}

Arena::~Arena() { ::munmap(pointer(base_), capacity_); }

std::byte* Arena::at(std::uint64_t offset) const {
  return static_cast<std::byte*>(pointer(base_ + offset));
}

std::span<std::byte> Arena::head() const { return {at(0), kAlignment}; }

std::shared_ptr<std::span<std::byte>> Arena::allocate(std::uint64_t bytes) {
  if (bytes > kReserveBytesMax) bytes = kReserveBytesMax;  // refused below, without an overflow
  const auto size = std::max(kAlignment, up(bytes, kAlignment));
  const std::lock_guard lock(mutex_);
  if (used_ == 0) {
    grow(kHeadBytes);
    used_ = kHeadBytes;
  }
  std::uint64_t offset = 0;
  const auto hole = std::find_if(free_.begin(), free_.end(),
                                 [size](const auto& range) { return range.second >= size; });
  if (hole != free_.end()) {
    offset = hole->first;
    const auto left = hole->second - size;
    free_.erase(hole);
    if (left > 0) free_.emplace(offset + size, left);
  } else {
    offset = used_;
    if (offset + size > mapped_) grow(offset + size);
    used_ = offset + size;
  }
  const auto give = [self = shared_from_this(), offset, size](std::span<std::byte>* block) {
    self->give_back(offset, size);
    delete block;  // NOLINT(cppcoreguidelines-owning-memory): a shared_ptr's deleter
  };
  return {new std::span<std::byte>(at(offset), bytes), give};
}

/// With `mutex_` held.
void Arena::grow(std::uint64_t bytes) {
  const auto to = std::min(capacity_, up(std::max(bytes, mapped_ + mapped_ / 8), kGrowBytes));
  if (to < bytes) {
    throw Error(Code::refused,
                fmt::format("the arena at {:#x} has {} bytes of addresses, {} are needed", base_,
                            capacity_, bytes),
                "raise the limit on addresses (ulimit -v)");
  }
  if (!file_) {
    file_ = make_arena_file(to);
  } else if (::ftruncate(file_.fd(), static_cast<off_t>(to)) != 0) {
    throw io_error(fmt::format("grow the arena at {:#x} to {} bytes", base_, to));
  }
  map(mapped_, to);
  mapped_ = to;
}

void Arena::map(std::uint64_t from, std::uint64_t to) const {
  if (from == to) return;
  void* got = ::mmap(at(from), to - from, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                     file_.fd(), static_cast<off_t>(from));
  if (got == MAP_FAILED) {
    throw io_error(fmt::format("map {} bytes at {:#x}", to - from, base_ + from));
  }
}

void Arena::give_back(std::uint64_t offset, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  auto after = free_.lower_bound(offset);
  if (after != free_.end() && after->first == offset + bytes) {
    bytes += after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      offset = before->first;
      bytes += before->second;
      free_.erase(before);
    }
  }
  const auto first = up(offset, kPage);
  const auto last = (offset + bytes) / kPage * kPage;
  if (file_ && first < last) ::madvise(at(first), last - first, MADV_REMOVE);
  if (offset + bytes == used_) {
    used_ = offset;
  } else {
    free_.emplace(offset, bytes);
  }
}

bool Arena::holds(std::span<const std::byte> memory) const {
  const auto first = reinterpret_cast<std::uint64_t>(memory.data());
  const std::lock_guard lock(mutex_);
  return first >= base_ + kHeadBytes && first < base_ + used_ &&
         memory.size() <= base_ + used_ - first;
}

int Arena::file() const {
  const std::lock_guard lock(mutex_);
  return file_.fd();
}

std::uint64_t Arena::bytes() const {
  const std::lock_guard lock(mutex_);
  return mapped_;
}

bool Arena::is_bound() const {
  const std::lock_guard lock(mutex_);
  return static_cast<bool>(file_);
}

void Arena::unbind() {
  const std::lock_guard lock(mutex_);
  if (!file_) return;
  // One mapping replaces the other: no moment at which another thread could get these addresses.
  void* got = ::mmap(at(0), mapped_, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (got == MAP_FAILED) {
    throw io_error(fmt::format("reserve {} bytes at {:#x}", mapped_, base_));
  }
  // Whoever dumps the process looks at every page of what is reserved.
  if (capacity_ > mapped_) ::munmap(at(mapped_), capacity_ - mapped_);
  capacity_ = mapped_;
  file_.close();
}

void Arena::bind(Descriptor file, std::uint64_t base, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (base != base_ || bytes > capacity_ || bytes % kPage != 0) {
    throw Error(Code::bad_request, fmt::format("memory of {} bytes for {:#x} where {} bytes were "
                                               "taken from {:#x}",
                                               bytes, base, capacity_, base_));
  }
  check_arena_file(file, bytes);
  // Past the last block that was sent there may be free ones.
  struct stat status {};
  if (::fstat(file.fd(), &status) != 0 ||
      (static_cast<std::uint64_t>(status.st_size) < mapped_ &&
       ::ftruncate(file.fd(), static_cast<off_t>(mapped_)) != 0)) {
    throw io_error(fmt::format("grow the arena at {:#x} to {} bytes", base_, mapped_));
  }
  file_ = std::move(file);
  try {
    map(0, mapped_);
  } catch (const Error&) {
    file_.close();
    throw;
  }
  for (auto more = kReserveBytesMax; more > capacity_; more /= 2) {
    if (!reserve_at(base_ + capacity_, more - capacity_)) continue;
    capacity_ = more;
    break;
  }
}

}  // namespace cardswap
