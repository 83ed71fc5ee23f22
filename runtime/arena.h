#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "runtime/descriptor.h"

namespace cardswap {

/// Memory at addresses that stay the same when the process goes on elsewhere.
///
/// A range of addresses is reserved at a random place; a growing memfd is mapped at its start.
/// While the process is moved the file can be taken away, the range kept, and a file with the same
/// bytes mapped there again. Any thread; unbind() and bind() only while nobody uses the memory.
/// Owners: the session, and every block: storages may outlive the session.
class Arena : public std::enable_shared_from_this<Arena> {
 public:
  /// Reserves the addresses, nothing else. Throws Error{refused} when there are none.
  [[nodiscard]] static std::shared_ptr<Arena> reserve();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Bytes of any content, aligned for any tensor. Owners: the storage that lives there, and every
  /// snapshot that reads it; the last one gives the range back. Throws Error{refused} when the
  /// arena is full, or Error{io} when it cannot grow.
  [[nodiscard]] std::shared_ptr<std::span<std::byte>> allocate(std::uint64_t bytes);

  /// Whether these bytes lie in blocks of this arena.
  [[nodiscard]] bool holds(std::span<const std::byte> memory) const;
  [[nodiscard]] std::uint64_t base() const { return base_; }
  /// The first bytes, which no block has: where the range begins, for whoever maps it elsewhere.
  [[nodiscard]] std::span<std::byte> head() const;

  /// The file, to be given to another process.
  [[nodiscard]] int file() const;
  /// Bytes of the file.
  [[nodiscard]] std::uint64_t bytes() const;
  /// Closes the file and keeps the addresses: touching them is a fault from here on.
  void unbind();
  [[nodiscard]] bool is_bound() const;
  /// Maps `file` where the former one was. Throws Error{bad_request} unless it is a sealed memfd of
  /// `bytes` bytes that was mapped at `base`, and Error{io} when it cannot be mapped.
  void bind(Descriptor file, std::uint64_t base, std::uint64_t bytes);

 private:
  Arena(std::uint64_t base, std::uint64_t capacity) : base_(base), capacity_(capacity) {}
  void grow(std::uint64_t bytes);
  void map(std::uint64_t from, std::uint64_t to) const;
  void give_back(std::uint64_t offset, std::uint64_t bytes);
  [[nodiscard]] std::byte* at(std::uint64_t offset) const;

  const std::uint64_t base_;

  mutable std::mutex mutex_;                     // guards the rest
  std::uint64_t capacity_;                       // bytes of addresses
  std::uint64_t mapped_ = 0;                     // bytes of the file
  std::uint64_t used_ = 0;                       // blocks and what lies between them end here
  std::map<std::uint64_t, std::uint64_t> free_;  // below used_: bytes by offset
  Descriptor file_;
};

/// A new sealed memfd of `bytes` zeroes that can grow and never shrinks. Throws Error{io}.
[[nodiscard]] Descriptor make_arena_file(std::uint64_t bytes);
/// Throws Error{bad_request} unless `file` is one of those and has at least `bytes` bytes.
void check_arena_file(const Descriptor& file, std::uint64_t bytes);

}  // namespace cardswap
