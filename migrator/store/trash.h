#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "migrator/store/store.h"

namespace cardswap::store {

inline constexpr std::size_t kTrashBytesMax = 64U << 20;

/// A batch of objects that a prune will remove later, in this order. The object
/// "trash/NUMBER/objects" has the names of these. The object "trash/NUMBER/waits", which is made
/// after it, has the names of the intents that existed then. Readers and writers that began later
/// have seen the batch and use nothing of it, so the batch waits only for these intents.
struct TrashBatch {
  std::uint64_t number = 0;
  std::int64_t at_s = 0;  ///< seconds since 1970, for the grace; safety does not depend on it
  std::vector<std::string> objects;
  std::optional<std::vector<std::string>> waits;  ///< nullopt: that object does not exist yet
  bool operator==(const TrashBatch&) const = default;
};

/// The name of one of the two objects of a batch.
[[nodiscard]] std::string trash_name(std::uint64_t number, bool waits);
/// The bytes of the two objects of a batch: canonical JSON.
[[nodiscard]] std::vector<std::byte> encode_trash(const TrashBatch& batch);
[[nodiscard]] std::vector<std::byte> encode_waits(const std::vector<std::string>& waits);
/// Read these bytes. Throw Error{corrupt}; decode_trash() also throws Error{protocol_mismatch} when
/// a newer release has written the batch in another format.
[[nodiscard]] TrashBatch decode_trash(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::string> decode_waits(std::span<const std::byte> bytes);

/// All batches of the store, in the order of their numbers. Throws what the store throws, and
/// Error{corrupt, protocol_mismatch} as decode_trash(), with the object's name in the text.
[[nodiscard]] std::vector<TrashBatch> trash_in(Store& store);
/// The names of all objects in batches. Throws as trash_in().
[[nodiscard]] std::set<std::string> trashed_in(Store& store);

}  // namespace cardswap::store
