#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap::store {

/// The properties of a store.
struct StoreFacts {
  std::string where;                        ///< for people: "file:/var/lib/cardswap/store"
  std::optional<std::uint64_t> free_bytes;  ///< nullopt: not known, or without limit
  bool durable = true;                      ///< objects survive a power cut
  bool read_only = false;
};

/// The result of put_new(): the object was created, or an object with that name exists already.
enum class PutResult : std::uint8_t { created, exists };

/// Named objects, each written once and as a whole. This is all that a back end has to offer: there
/// is no rename, no append and no time of change.
///
/// Calls throw Error{bad_request} for a name that is not valid by is_object_name(), before anything
/// is done; Error{not_found} for an object that does not exist; Error{io} when the disk or the
/// network fails, Error{no_memory} when the store is full, and Error{unreachable} when it does not
/// answer. The text of each Error has the object's name. Any thread. Calls block for the disk or
/// the network.
class Store {
 public:
  Store() = default;
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Creates the object, whole or not at all, if no object has that name. If several callers try at
  /// once, exactly one gets `created`. If the store is `durable`, the object survives a power cut
  /// once this returns. `exists`: the existing object is unchanged, and may have other bytes.
  virtual PutResult put_new(const std::string& name, std::span<const std::byte> bytes) = 0;
  /// The bytes of an object that lie in several places, in order.
  using Pieces = std::span<const std::span<const std::byte>>;
  /// Does what put_new() does. A back end that can write them from where they are makes no copy.
  virtual PutResult put_new_from(const std::string& name, Pieces pieces);
  /// Fills `into` from the object's bytes at `offset`. Returns how many bytes it has filled: fewer
  /// than all only at the end of the object. The first read after put_new() comes from where the
  /// object is stored and not from a cache, as far as a back end can ask the system for that:
  /// read_back() finds nothing otherwise.
  virtual std::size_t read(const std::string& name, std::uint64_t offset,
                           std::span<std::byte> into) = 0;
  /// Says that these bytes of the object are read soon, so that a back end may fetch them
  /// meanwhile. Returns before they are there. Advice: it may do nothing, and never throws.
  virtual void read_soon(const std::string& name, std::uint64_t offset,
                         std::uint64_t bytes) noexcept;
  /// The size of the object in bytes. Nullopt: there is no such object.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_of(const std::string& name) = 0;
  /// The names that begin with `prefix` and sort after `after` (empty: all), in the order of their
  /// bytes; at most `most`. `prefix` is empty or ends with '/'.
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& prefix,
                                                      const std::string& after,
                                                      std::size_t most) = 0;
  /// The folders directly below `prefix` that have an object at any depth, without slashes, in the
  /// order of their objects' names. `prefix` as for list(). By itself this calls list() once for
  /// each of them; a back end that reads a whole folder for each call has a better way.
  [[nodiscard]] virtual std::vector<std::string> folders(const std::string& prefix);
  /// Removes the object; does nothing if there is none.
  virtual void remove(const std::string& name) = 0;
  [[nodiscard]] virtual StoreFacts facts() = 0;
};

/// Whether an Error of this code says that the store could not be asked, and nothing about its
/// objects: io or unreachable. The other codes of a call that reads are about the object.
[[nodiscard]] bool is_store_failure(Code code);

/// Whether a name is valid for an object: 1 to 255 bytes of a-z, 0-9, '.', '_', '-' and '/'. Each
/// part between slashes has 1 to 128 bytes and does not begin with '.' or '-'.
[[nodiscard]] bool is_object_name(std::string_view name);

/// Reads the whole object. Throws Error{corrupt} when it has more than `most` bytes, before
/// anything is allocated, or ends before the size that the store tells; and what the store throws.
[[nodiscard]] std::vector<std::byte> get(Store& store, const std::string& name, std::uint64_t most);
/// Does so into `bytes`, whose memory is used again: the pages of a new one as large as a pack have
/// a cost of their own. Unspecified if it throws.
void get_into(Store& store, const std::string& name, std::uint64_t most,
              std::vector<std::byte>& bytes);
/// All names that begin with `prefix`, in the order of their bytes.
[[nodiscard]] std::vector<std::string> list_all(Store& store, const std::string& prefix);

}  // namespace cardswap::store
