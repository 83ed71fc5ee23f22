#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/device/arena.h"
#include "migrator/device/block_list.h"

namespace cardswap {

/// An arena in the host's memory: a growing memfd, mapped at the start of the range. It has one
/// piece, which is that file.
class MemfdArena final : public Arena, public std::enable_shared_from_this<MemfdArena> {
 public:
  /// Reserves addresses at a random place, and allocates nothing. Throws Error{refused} when not
  /// even 1 GiB of addresses is free.
  [[nodiscard]] static std::shared_ptr<MemfdArena> reserve();
  /// Reserves the addresses from `base` on, for at least `bytes`. Throws Error{refused}, with the
  /// range in its text, when they are not free.
  [[nodiscard]] static std::shared_ptr<MemfdArena> reserve_at(std::uint64_t base,
                                                              std::uint64_t bytes);
  ~MemfdArena() override;

  std::shared_ptr<std::span<std::byte>> allocate(std::uint64_t bytes) override;
  void ensure_bytes(std::uint64_t bytes) override;
  bool contains(std::span<const std::byte> memory) const override;
  std::uint64_t base() const override { return base_; }
  std::span<std::byte> head() const override;
  std::uint64_t bytes() const override;
  std::vector<ArenaPiece> pieces() const override;
  void unbind() override;
  bool is_bound() const override;
  void bind(std::vector<ArenaPiece> pieces, std::uint64_t base) override;

 private:
  MemfdArena(std::uint64_t base, std::uint64_t capacity);
  void grow(std::uint64_t bytes, std::uint64_t step) CARDSWAP_REQUIRES(mutex_);
  void map(std::uint64_t from, std::uint64_t to) const CARDSWAP_REQUIRES(mutex_);
  void give_back(BlockList::Range range);
  [[nodiscard]] std::byte* at(std::uint64_t offset) const;

  const std::uint64_t base_;

  mutable Mutex mutex_;
  std::uint64_t capacity_ CARDSWAP_GUARDED_BY(mutex_);    // bytes of reserved addresses
  std::uint64_t mapped_ CARDSWAP_GUARDED_BY(mutex_) = 0;  // bytes of the file
  BlockList blocks_ CARDSWAP_GUARDED_BY(mutex_);
  Descriptor file_ CARDSWAP_GUARDED_BY(mutex_);
};

/// Makes a memfd of `bytes` zeroes that can grow and is sealed against shrinking. Throws Error{io}.
[[nodiscard]] Descriptor make_arena_file(std::uint64_t bytes);
/// Throws Error{bad_request} unless `file` is sealed like that and has at least `bytes` bytes.
void check_arena_file(const Descriptor& file, std::uint64_t bytes);

}  // namespace cardswap
