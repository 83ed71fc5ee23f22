#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/device/device.h"
#include "migrator/engine/source/sending/touched_memory.h"

namespace cardswap {

/// A copy of chunks of a frozen state in this process's host memory. Once it is made the program
/// may go on: what is sent is what its state was.
///
/// It copies what the other side does not have, while that is being digested: a chunk of the host's
/// memory is read from there once, and copied from the processor's cache. What finds no room is
/// left to the caller.
class FrozenCopy {
 public:
  /// A copy of at most `bytes`; no memory is taken yet. Throws Error{no_memory}.
  explicit FrozenCopy(std::size_t bytes) : memory_(bytes) {}

  /// How many bytes it has room for.
  [[nodiscard]] std::size_t room() const { return memory_.bytes().size(); }
  /// Takes memory for a part from the system, before the program stands. The owner's thread.
  void touch(std::size_t from, std::size_t count) { memory_.touch(from, count); }

  /// Begins anew, for these chunks of a frozen program; `known` has the digest of what the other
  /// side holds of each. The program's work before `after` is waited for. The owner's thread.
  void begin(std::vector<MemoryRange> chunks, std::vector<std::optional<Digest>> known,
             Fence after);
  /// Copies those of the chunks from `first` on whose digests differ from the known ones; they lie
  /// on one device. Any threads, each with other chunks. Throws what a device throws.
  void add(std::size_t first, std::span<const Digest> now);

  // The owner's thread, once nobody adds any more:
  [[nodiscard]] bool has(std::size_t chunk) const { return places_.at(chunk).has_value(); }
  /// A chunk's bytes. Throws std::bad_optional_access if it was not copied.
  [[nodiscard]] std::span<std::byte> chunk(std::size_t chunk) const;
  /// How many bytes were copied.
  [[nodiscard]] std::uint64_t bytes() const { return used_; }

 private:
  [[nodiscard]] std::optional<std::size_t> take_room(std::size_t bytes);

  TouchedMemory memory_;
  std::vector<MemoryRange> chunks_;
  std::vector<std::optional<Digest>> known_;
  Fence after_;
  std::vector<std::optional<std::size_t>> places_;  // in memory_, one a chunk
  std::atomic<std::size_t> used_{0};
};

}  // namespace cardswap
