#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/base/descriptor.h"

namespace cardswap {

/// A file with a run of an arena's bytes: a memfd, or a piece of a GPU's memory.
struct ArenaPiece {
  Descriptor file;
  std::uint64_t bytes = 0;
};

/// Memory of one device at addresses that stay the same when the process goes on elsewhere.
///
/// A range of addresses is reserved at a random place and filled from its start as blocks are
/// needed. While the process is moved the memory can be taken away, the range kept, and memory with
/// the same bytes mapped there again. Any thread; unbind() and bind() only while nobody uses the
/// memory. Owners: whoever reserved it, and every block: storages may outlive the session.
class Arena {
 public:
  Arena() = default;
  virtual ~Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Allocates bytes of any content, aligned for any tensor. Owners: the storage that lives there,
  /// and every StateView that reads it; the last one gives the range back. Throws Error{refused}
  /// when the arena is full, and Error{io, no_memory} when it cannot grow.
  [[nodiscard]] virtual std::shared_ptr<std::span<std::byte>> allocate(std::uint64_t bytes) = 0;
  /// Makes the first `bytes` be there, for whoever receives an arena. Throws as allocate().
  virtual void ensure_bytes(std::uint64_t bytes) = 0;

  /// Whether these bytes lie in blocks of this arena.
  [[nodiscard]] virtual bool contains(std::span<const std::byte> memory) const = 0;
  [[nodiscard]] virtual std::uint64_t base() const = 0;
  /// The first bytes, which no block has: where the range begins, for whoever maps it elsewhere.
  [[nodiscard]] virtual std::span<std::byte> head() const = 0;
  /// How many bytes are there, from the base on.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;

  /// All that is there, in order, to be given to another process.
  [[nodiscard]] virtual std::vector<ArenaPiece> pieces() const = 0;
  /// Lets the memory go and keeps the addresses: touching them is a fault from here on. What was
  /// given away as pieces keeps the bytes.
  virtual void unbind() = 0;
  [[nodiscard]] virtual bool is_bound() const = 0;
  /// Maps what pieces() gave, here or elsewhere, where the former memory was. Throws
  /// Error{bad_request} unless it can be this arena's, `base` its address, and Error{io, no_memory,
  /// internal} when it cannot be mapped; nothing is bound then.
  virtual void bind(std::vector<ArenaPiece> pieces, std::uint64_t base) = 0;
};

}  // namespace cardswap
