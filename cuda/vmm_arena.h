#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cuda/vmm.h"
#include "migrator/base/mutex.h"
#include "migrator/device/arena.h"
#include "migrator/device/first_fit_allocator.h"

namespace cardswap::cuda {

/// The addresses to reserve for an arena on a GPU. Reserved addresses use no memory.
struct ArenaReservation {
  std::uint64_t capacity = 0;  ///< in bytes; usually all that the GPU could ever hold
  std::uint64_t base = 0;      ///< the wanted address; 0: a random place
  std::uint64_t least = 0;     ///< with `base`: as many bytes are enough if `capacity` is not free
};

/// An arena in a GPU's memory. It grows by pieces of 64 MiB or more, as far as the GPU has room. A
/// block may span several pieces, so a link that registers memory by allocation must not get its
/// bytes.
///
/// A block that was given back is used again only after the GPU was idle once, because the program
/// may have given it work with that block on any stream. So allocate() may block until the GPU is
/// idle, and so does unbind().
class VmmArena final : public Arena, public std::enable_shared_from_this<VmmArena> {
 public:
  /// `make_room` is called when the GPU has no memory left, and should give memory back to the
  /// driver; it must not use this arena, and may be empty. Throws Error{refused} when the addresses
  /// are not free (the text names the range if `wanted.base` is set), and Error{internal} when the
  /// driver fails.
  [[nodiscard]] static std::shared_ptr<VmmArena> reserve(const VmmGpu& gpu,
                                                         const ArenaReservation& wanted,
                                                         std::function<void()> make_room);
  ~VmmArena() override;

  std::shared_ptr<std::span<std::byte>> allocate(std::uint64_t bytes) override;
  void ensure_bytes(std::uint64_t bytes) override;
  bool contains(std::span<const std::byte> memory) const override;
  std::uint64_t base() const override { return range_->address(); }
  std::span<std::byte> head() const override;
  std::uint64_t bytes() const override;
  std::vector<ArenaPiece> pieces() const override;
  void unbind() override;
  bool is_bound() const override;
  void bind(std::vector<ArenaPiece> pieces, std::uint64_t base) override;

 private:
  /// One allocation of the arena, and where it is mapped.
  struct Piece {
    Piece(const VmmGpu& gpu, std::uint64_t address, std::size_t bytes)
        : memory(gpu, bytes), mapping(gpu, address, memory) {}
    Piece(const VmmGpu& gpu, std::uint64_t address, const ArenaPiece& from)
        : memory(gpu, from.file, from.bytes), mapping(gpu, address, memory) {}
    Allocation memory;
    Mapping mapping;
  };

  VmmArena(VmmGpu gpu, std::size_t granularity, std::unique_ptr<AddressRange> range,
           std::function<void()> make_room);
  void grow(std::uint64_t bytes, std::uint64_t step) CARDSWAP_REQUIRES(mutex_);
  bool try_to_add(std::uint64_t bytes) CARDSWAP_REQUIRES(mutex_);
  [[nodiscard]] std::byte* at(std::uint64_t offset) const;

  const VmmGpu gpu_;
  const std::size_t granularity_;
  const std::unique_ptr<AddressRange> range_;
  const std::function<void()> make_room_;

  mutable Mutex mutex_;
  std::uint64_t mapped_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  FirstFitAllocator blocks_ CARDSWAP_GUARDED_BY(mutex_);
  /// Ranges that were given back while the GPU may still work on them.
  std::vector<FirstFitAllocator::Range> resting_ CARDSWAP_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Piece>> pieces_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap::cuda
