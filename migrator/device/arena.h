#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/base/descriptor.h"

namespace cardswap {

/// A file that holds a run of an arena's bytes: a memfd, or a piece of a GPU's memory.
struct ArenaPiece {
  Descriptor file;
  std::uint64_t bytes = 0;
};

/// Memory of one device at addresses that stay the same when the process is moved to another host.
///
/// A range of addresses is reserved at a random place and filled from its start as blocks are
/// needed. While the process is moved the memory can be taken away, with the range kept, and memory
/// with the same bytes mapped there again. Any thread; unbind() and bind() only while nobody uses
/// the memory. Owners: the caller that reserved it, and every block (a storage may outlive the
/// session).
class Arena {
 public:
  Arena() = default;
  virtual ~Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Allocates bytes of any content, aligned for any tensor. Owners of the result: the storage that
  /// lives there, and every StateView that reads it; the last one gives the block back. Throws
  /// Error{refused} when the arena is full, and Error{io, no_memory, internal} when it cannot grow.
  [[nodiscard]] virtual std::shared_ptr<std::span<std::byte>> allocate(std::uint64_t bytes) = 0;
  /// Grows the arena to at least `bytes`, for a process that receives one. Throws as allocate().
  virtual void ensure_bytes(std::uint64_t bytes) = 0;

  /// Whether these bytes lie in the part of the arena that blocks have been taken from. What lies
  /// between blocks, where others were given back, counts too.
  [[nodiscard]] virtual bool contains(std::span<const std::byte> memory) const = 0;
  /// The address at which the arena begins.
  [[nodiscard]] virtual std::uint64_t base() const = 0;
  /// The first bytes of the arena, which belong to no block. Their address tells another process
  /// where it has to map the arena.
  [[nodiscard]] virtual std::span<std::byte> head() const = 0;
  /// How many bytes are mapped, from the base on; unbind() does not change this.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;

  /// Files of all the memory, in order, for another process. Empty: nothing is bound. Throws
  /// Error{io, no_memory, internal}.
  [[nodiscard]] virtual std::vector<ArenaPiece> pieces() const = 0;
  /// Releases the memory and keeps the addresses: an access is a fault from here on. The files that
  /// pieces() gave keep the bytes. Throws Error{io, no_memory, internal}; is_bound() then tells
  /// whether the memory is still there.
  virtual void unbind() = 0;
  [[nodiscard]] virtual bool is_bound() const = 0;
  /// Maps the files that pieces() gave, in this process or another, where the former memory was.
  /// Throws Error{bad_request} unless they fit this arena and `base` is its address, and Error{io,
  /// no_memory, internal} when they cannot be mapped; nothing is bound then.
  virtual void bind(std::vector<ArenaPiece> pieces, std::uint64_t base) = 0;
};

}  // namespace cardswap
