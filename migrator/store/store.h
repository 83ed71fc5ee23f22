#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap::store {

/// What a store can tell of itself.
struct StoreFacts {
  std::string where;                        ///< for people: "file:/var/lib/cardswap/store"
  std::optional<std::uint64_t> free_bytes;  ///< none: it does not know, or has no end
  bool durable = true;                      ///< what was put is there after a power cut
  bool read_only = false;
};

/// Whether put_new() made the object, or found one of that name.
enum class Put : std::uint8_t { created, exists };

/// Objects under names, each written once and whole: what a back end has to offer, and nothing
/// more. There is no rename, no append, no time of change.
///
/// Names are of a-z, 0-9, '.', '_', '-' and '/', as is_object_name() has it; another throws
/// Error{bad_request} before anything is touched. An object that is not there throws
/// Error{not_found}; what the disk or network refuses throws Error{io}, Error{no_memory} where it
/// is full, Error{unreachable} where nobody answers. Every error names the object. Any thread.
class Store {
 public:
  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Makes the object, whole or not at all, and only where there is none of that name: of several
  /// who try at once exactly one is told `created`. It survives a power cut once this returns. An
  /// object that `exists` is as it was; it may hold other bytes.
  virtual Put put_new(const std::string& name, std::span<const std::byte> bytes) = 0;
  /// Fills `into` from the object's bytes at `offset`; how many those were, fewer only where the
  /// object ends.
  virtual std::size_t read(const std::string& name, std::uint64_t offset,
                           std::span<std::byte> into) = 0;
  /// The bytes of the object; none: there is no such object.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_of(const std::string& name) = 0;
  /// Names that begin with `prefix` and come behind `after` (empty: all), in the order of their
  /// bytes, `most` at most. `prefix` is empty or ends with '/'.
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& prefix,
                                                      const std::string& after,
                                                      std::size_t most) = 0;
  /// Removes the object for good; nothing happens where there is none.
  virtual void remove(const std::string& name) = 0;
  [[nodiscard]] virtual StoreFacts facts() = 0;
};

/// Whether an object may be called so: 1 to 255 bytes of a-z, 0-9, '.', '_', '-' and '/', whose
/// parts between slashes begin with none of '.' and '-' and are 1 to 128 bytes long.
[[nodiscard]] bool is_object_name(std::string_view name);

/// The whole object. Throws Error{corrupt} where it has more than `most` bytes, before anything is
/// allocated.
[[nodiscard]] std::vector<std::byte> get(Store& store, const std::string& name, std::uint64_t most);
/// Every name under `prefix`.
[[nodiscard]] std::vector<std::string> list_all(Store& store, const std::string& prefix);

}  // namespace cardswap::store
