#include "migrator/device/memfd_arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "migrator/base/error.h"

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
bool reserve_range(std::uint64_t address, std::uint64_t bytes) {
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
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    throw io_error(fmt::format("make an arena's file of {} bytes", bytes));
  }
  return file;
}

void check_arena_file(const Descriptor& file, std::uint64_t bytes) {
  struct stat status {};
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  // If the file could shrink, its other owner could make this program fault.
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || (seals & F_SEAL_WRITE) != 0 ||
      ::fstat(file.get(), &status) != 0) {
    throw Error(Code::bad_request, "what was handed over is no arena's file");
  }
  if (static_cast<std::uint64_t>(status.st_size) < bytes) {
    throw Error(Code::bad_request, fmt::format("an arena's file of {} bytes where {} were said",
                                               status.st_size, bytes));
  }
}

std::shared_ptr<MemfdArena> MemfdArena::reserve() {
  std::random_device random;
  for (auto bytes = kReserveBytesMax; bytes >= kReserveBytesMin; bytes /= 2) {
    if (bytes >= kHighest - kLowest) continue;
    std::uniform_int_distribution<std::uint64_t> places(
        0, (kHighest - kLowest - bytes) / kPlaceAlignment);
    for (int i = 0; i < kTries; ++i) {
      const auto base = kLowest + places(random) * kPlaceAlignment;
      // Not make_shared: the constructor is private.
      if (reserve_range(base, bytes))
        return std::shared_ptr<MemfdArena>(new MemfdArena(base, bytes));
      if (errno == ENOMEM) break;  // too much for a limit on addresses
    }
  }
  throw Error(Code::refused,
              fmt::format("no {} MiB of addresses are free for an arena", kReserveBytesMin >> 20U),
              "raise the limit on addresses (ulimit -v)");
}

std::shared_ptr<MemfdArena> MemfdArena::reserve_at(std::uint64_t base, std::uint64_t bytes) {
  const auto least = up(bytes, kPage);
  int why = EINVAL;
  if (base % kPage == 0 && base >= kPage && least <= kReserveBytesMax) {
    for (auto capacity = kReserveBytesMax;; capacity = std::max(capacity / 2, least)) {
      if (reserve_range(base, capacity)) {
        return std::shared_ptr<MemfdArena>(new MemfdArena(base, capacity));
      }
      why = errno;
      if (capacity == least) break;
    }
  }
  throw Error(
      Code::refused,
      fmt::format("addresses {:#x} to {:#x}, where the job has its memory, cannot be mapped "
                  "on this host: {}",
                  base, base + least, std::strerror(why)),
      "another target, or --arrive standby");
}

MemfdArena::MemfdArena(std::uint64_t base, std::uint64_t capacity)
    : base_(base), capacity_(capacity), blocks_(kHeadBytes) {}

MemfdArena::~MemfdArena() { ::munmap(pointer(base_), capacity_); }

std::byte* MemfdArena::at(std::uint64_t offset) const {
  return static_cast<std::byte*>(pointer(base_ + offset));
}

std::span<std::byte> MemfdArena::head() const { return {at(0), kAlignment}; }

std::shared_ptr<std::span<std::byte>> MemfdArena::allocate(std::uint64_t bytes) {
  if (bytes > kReserveBytesMax) bytes = kReserveBytesMax;  // refused below, without an overflow
  const auto size = std::max(kAlignment, up(bytes, kAlignment));
  const MutexLock lock(mutex_);
  auto offset = blocks_.take(size);
  if (!offset) {
    if (blocks_.used() + size > mapped_) grow(blocks_.used() + size, kGrowBytes);
    offset = blocks_.append(size);
  }
  const auto give = [self = shared_from_this(),
                     range = BlockList::Range{*offset, size}](std::span<std::byte>* block) {
    self->give_back(range);
    delete block;  // NOLINT(cppcoreguidelines-owning-memory): a shared_ptr's deleter
  };
  return {new std::span<std::byte>(at(*offset), bytes), give};
}

void MemfdArena::ensure_bytes(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  if (bytes > mapped_) grow(bytes, kPage);
}

/// To `bytes` and some more, a multiple of `step`.
void MemfdArena::grow(std::uint64_t bytes, std::uint64_t step) {
  const auto ahead = step > kPage ? mapped_ + mapped_ / 8 : 0;
  const auto to = std::min(capacity_, up(std::max(bytes, ahead), step));
  if (to < bytes) {
    throw Error(Code::refused,
                fmt::format("the arena at {:#x} has {} bytes of addresses, {} are needed", base_,
                            capacity_, bytes),
                "raise the limit on addresses (ulimit -v)");
  }
  if (!file_) {
    file_ = make_arena_file(to);
  } else if (::ftruncate(file_.get(), static_cast<off_t>(to)) != 0) {
    throw io_error(fmt::format("grow the arena at {:#x} to {} bytes", base_, to));
  }
  map(mapped_, to);
  mapped_ = to;
}

void MemfdArena::map(std::uint64_t from, std::uint64_t to) const {
  if (from == to) return;
  void* got = ::mmap(at(from), to - from, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                     file_.get(), static_cast<off_t>(from));
  if (got == MAP_FAILED) {
    throw io_error(fmt::format("map {} bytes at {:#x}", to - from, base_ + from));
  }
}

void MemfdArena::give_back(BlockList::Range range) {
  const MutexLock lock(mutex_);
  const auto hole = blocks_.give_back(range);
  const auto first = up(hole.offset, kPage);
  const auto last = (hole.offset + hole.bytes) / kPage * kPage;
  if (file_ && first < last) ::madvise(at(first), last - first, MADV_REMOVE);
}

bool MemfdArena::contains(std::span<const std::byte> memory) const {
  const auto first = reinterpret_cast<std::uint64_t>(memory.data());
  const MutexLock lock(mutex_);
  const auto used = base_ + blocks_.used();
  return first >= base_ + kHeadBytes && first < used && memory.size() <= used - first;
}

std::uint64_t MemfdArena::bytes() const {
  const MutexLock lock(mutex_);
  return mapped_;
}

std::vector<ArenaPiece> MemfdArena::pieces() const {
  const MutexLock lock(mutex_);
  std::vector<ArenaPiece> pieces;
  if (!file_) return pieces;
  Descriptor copy(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) throw io_error(fmt::format("open the file of the arena at {:#x} again", base_));
  pieces.push_back({std::move(copy), mapped_});
  return pieces;
}

bool MemfdArena::is_bound() const {
  const MutexLock lock(mutex_);
  return static_cast<bool>(file_);
}

void MemfdArena::unbind() {
  const MutexLock lock(mutex_);
  if (!file_) return;
  // One call replaces the mapping, so no other thread can get these addresses in between.
  void* got = ::mmap(at(0), mapped_, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (got == MAP_FAILED) {
    throw io_error(fmt::format("reserve {} bytes at {:#x}", mapped_, base_));
  }
  // A dump of the process looks at every reserved page.
  if (capacity_ > mapped_) ::munmap(at(mapped_), capacity_ - mapped_);
  capacity_ = mapped_;
  file_.reset();
}

void MemfdArena::bind(std::vector<ArenaPiece> pieces, std::uint64_t base) {
  const MutexLock lock(mutex_);
  const auto bytes = pieces.size() == 1 ? pieces[0].bytes : 0;
  if (base != base_ || bytes == 0 || bytes > capacity_ || bytes % kPage != 0) {
    throw Error(Code::bad_request, fmt::format("memory of {} bytes for {:#x} where {} bytes were "
                                               "taken from {:#x}",
                                               bytes, base, capacity_, base_));
  }
  auto file = std::move(pieces[0].file);
  check_arena_file(file, bytes);
  // Past the last block that was sent there may be free ones.
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 ||
      (static_cast<std::uint64_t>(status.st_size) < mapped_ &&
       ::ftruncate(file.get(), static_cast<off_t>(mapped_)) != 0)) {
    throw io_error(fmt::format("grow the arena at {:#x} to {} bytes", base_, mapped_));
  }
  file_ = std::move(file);
  try {
    map(0, mapped_);
  } catch (const Error&) {
    file_.reset();
    throw;
  }
  for (auto more = kReserveBytesMax; more > capacity_; more /= 2) {
    if (!reserve_range(base_ + capacity_, more - capacity_)) continue;
    capacity_ = more;
    break;
  }
}

}  // namespace cardswap
