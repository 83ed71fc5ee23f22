#include "cuda/vmm_arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap::cuda {
namespace {

constexpr std::uint64_t kAlignment = 512;  // LibTorch's own on a GPU
constexpr std::uint64_t kHeadBytes = kAlignment;
constexpr std::uint64_t kPieceBytes = 64ULL << 20;
constexpr int kTries = 32;
// A GPU's addresses are the host's too: above what a program without ASLR's heap uses, below where
// its image and libraries are, and what the driver chooses by itself.
constexpr std::uint64_t kLowest = 0x110000000000;
constexpr std::uint64_t kHighest = 0x500000000000;

std::uint64_t up(std::uint64_t bytes, std::uint64_t to) { return (bytes + to - 1) / to * to; }

std::unique_ptr<AddressRange> reserve_somewhere(const VmmGpu& gpu, std::uint64_t capacity,
                                                std::size_t granularity) {
  std::random_device random;
  for (int i = 0; i < kTries && capacity < kHighest - kLowest; ++i) {
    std::uniform_int_distribution<std::uint64_t> places(
        0, (kHighest - kLowest - capacity) / granularity);
    try {
      return std::make_unique<AddressRange>(gpu, kLowest + places(random) * granularity, capacity);
    } catch (const Error& error) {
      if (error.code() != Code::refused || i + 1 == kTries) throw;
    }
  }
  throw Error(Code::refused, fmt::format("an arena of {} bytes on cuda:{} is larger than the range "
                                         "of addresses that arenas have",
                                         capacity, gpu.index));
}

std::unique_ptr<AddressRange> reserve_at(const VmmGpu& gpu, const ArenaReservation& wanted,
                                         std::size_t granularity) {
  const auto least = up(std::max<std::uint64_t>(wanted.least, 1), granularity);
  if (wanted.base % granularity != 0 || least > kHighest) {
    throw Error(Code::refused,
                fmt::format("cuda:{} has no arenas at {:#x}: its memory is mapped in steps of {}",
                            gpu.index, wanted.base, granularity),
                "another target, or --arrive standby");
  }
  if (const auto capacity = up(wanted.capacity, granularity); capacity > least) {
    try {
      return std::make_unique<AddressRange>(gpu, wanted.base, capacity);
    } catch (const Error& error) {
      if (error.code() != Code::refused) throw;
    }
  }
  return std::make_unique<AddressRange>(gpu, wanted.base, least);
}

}  // namespace

std::shared_ptr<VmmArena> VmmArena::reserve(const VmmGpu& gpu, const ArenaReservation& wanted,
                                            std::function<void()> make_room) {
  std::size_t granularity = 0;
  gpu.check(gpu.vmm->granularity(gpu.index, granularity), "cuMemGetAllocationGranularity");
  auto range = wanted.base == 0
                   ? reserve_somewhere(gpu, up(wanted.capacity, granularity), granularity)
                   : reserve_at(gpu, wanted, granularity);
  // Not make_shared: the constructor is private.
  return std::shared_ptr<VmmArena>(
      new VmmArena(gpu, granularity, std::move(range), std::move(make_room)));
}

VmmArena::VmmArena(VmmGpu gpu, std::size_t granularity, std::unique_ptr<AddressRange> range,
                   std::function<void()> make_room)
    : gpu_(std::move(gpu)),
      granularity_(granularity),
      range_(std::move(range)),
      make_room_(std::move(make_room)),
      blocks_(kHeadBytes) {}

VmmArena::~VmmArena() {
  // Work that used the last block may still run. At the program's end the driver is gone.
  if (!pieces_.empty()) (void)gpu_.vmm->synchronize(gpu_.index);
}

std::byte* VmmArena::at(std::uint64_t offset) const {
  return reinterpret_cast<std::byte*>(base() + offset);  // NOLINT(performance-no-int-to-ptr)
}

std::span<std::byte> VmmArena::head() const { return {at(0), kHeadBytes}; }

std::shared_ptr<std::span<std::byte>> VmmArena::allocate(std::uint64_t bytes) {
  bytes = std::min<std::uint64_t>(bytes, kHighest);  // refused below, without an overflow
  const auto size = std::max(kAlignment, up(bytes, kAlignment));
  const MutexLock lock(mutex_);
  auto offset = blocks_.take(size);
  if (!offset && !resting_.empty() && blocks_.used() + size > mapped_) {
    gpu_.check(gpu_.vmm->synchronize(gpu_.index), "cuCtxSynchronize");
    for (const auto& range : std::exchange(resting_, {})) (void)blocks_.give_back(range);
    offset = blocks_.take(size);
  }
  if (!offset) {
    if (blocks_.used() + size > mapped_) grow(blocks_.used() + size, kPieceBytes);
    offset = blocks_.append(size);
  }
  const auto give = [self = shared_from_this(),
                     range = BlockList::Range{*offset, size}](std::span<std::byte>* block) {
    {
      // Makes no call of the driver: this may run on any thread, and at the program's end.
      const MutexLock held(self->mutex_);
      self->resting_.push_back(range);
    }
    delete block;  // NOLINT(cppcoreguidelines-owning-memory): a shared_ptr's deleter
  };
  return {new std::span<std::byte>(at(*offset), bytes), give};
}

void VmmArena::ensure_bytes(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  if (bytes > mapped_) grow(bytes, granularity_);
}

/// To `bytes` at least.
void VmmArena::grow(std::uint64_t bytes, std::uint64_t step) {
  const auto needed = up(bytes - mapped_, granularity_);
  const auto room = range_->bytes() - mapped_;
  if (needed > room) {
    throw Error(Code::refused, fmt::format("the arena at {:#x} on cuda:{} has {} bytes of "
                                           "addresses, {} are needed",
                                           base(), gpu_.index, range_->bytes(), bytes));
  }
  // Pieces become larger as the arena grows: each needs calls and a descriptor when the process
  // moves.
  const auto wanted =
      step > granularity_
          ? std::min<std::uint64_t>(room, up(std::max({needed, step, mapped_ / 16}), granularity_))
          : needed;
  if (try_to_add(wanted)) return;
  if (wanted > needed && try_to_add(needed)) return;
  if (make_room_) make_room_();
  pieces_.push_back(std::make_unique<Piece>(gpu_, base() + mapped_, needed));
  mapped_ += needed;
}

/// False: the GPU has no memory left.
bool VmmArena::try_to_add(std::uint64_t bytes) {
  try {
    pieces_.push_back(std::make_unique<Piece>(gpu_, base() + mapped_, bytes));
  } catch (const Error& error) {
    if (error.code() != Code::no_memory) throw;
    return false;
  }
  mapped_ += bytes;
  return true;
}

bool VmmArena::contains(std::span<const std::byte> memory) const {
  const auto first = reinterpret_cast<std::uint64_t>(memory.data());
  const MutexLock lock(mutex_);
  const auto used = base() + blocks_.used();
  return first >= base() + kHeadBytes && first < used && memory.size() <= used - first;
}

std::uint64_t VmmArena::bytes() const {
  const MutexLock lock(mutex_);
  return mapped_;
}

std::vector<ArenaPiece> VmmArena::pieces() const {
  const MutexLock lock(mutex_);
  std::vector<ArenaPiece> pieces;
  for (const auto& piece : pieces_) {
    pieces.push_back({piece->memory.export_file(), piece->memory.bytes()});
  }
  return pieces;
}

bool VmmArena::is_bound() const {
  const MutexLock lock(mutex_);
  return !pieces_.empty();
}

void VmmArena::unbind() {
  const MutexLock lock(mutex_);
  if (pieces_.empty()) return;
  gpu_.check(gpu_.vmm->synchronize(gpu_.index), "cuCtxSynchronize");
  for (const auto& range : std::exchange(resting_, {})) (void)blocks_.give_back(range);
  const auto pieces = std::exchange(pieces_, {});
  for (const auto& piece : pieces) piece->mapping.unmap();
}

void VmmArena::bind(std::vector<ArenaPiece> pieces, std::uint64_t base) {
  const MutexLock lock(mutex_);
  std::uint64_t sum = 0;
  bool fits = base == range_->address() && !pieces.empty() && pieces_.empty();
  for (const auto& piece : pieces) {
    fits = fits && piece.bytes > 0 && piece.bytes % granularity_ == 0 &&
           piece.bytes <= range_->bytes() - sum;
    if (fits) sum += piece.bytes;
  }
  if (!fits) {
    throw Error(Code::bad_request,
                fmt::format("{} pieces for {:#x} are not the memory of {} bytes that was taken "
                            "from {:#x} on cuda:{}",
                            pieces.size(), base, mapped_, range_->address(), gpu_.index));
  }
  std::vector<std::unique_ptr<Piece>> bound;
  sum = 0;
  for (const auto& piece : pieces) {
    bound.push_back(std::make_unique<Piece>(gpu_, base + sum, piece));
    sum += piece.bytes;
  }
  // Past the last block that was sent there may be more in use than came.
  if (const auto used = up(blocks_.used(), granularity_); used > sum) {
    bound.push_back(std::make_unique<Piece>(gpu_, base + sum, used - sum));
    sum = used;
  }
  pieces_ = std::move(bound);
  mapped_ = sum;
}

}  // namespace cardswap::cuda
