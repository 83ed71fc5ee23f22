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

inline constexpr std::size_t kTrashBytesMost = 64U << 20;

/// What a prune will remove, after a while and in this order. "trash/NUMBER/objects" names it;
/// "trash/NUMBER/waits", made behind it, names the intents that there were then: whoever came
/// later has seen the batch and uses nothing of it, so the batch waits for these and no others.
struct TrashBatch {
  std::uint64_t number = 0;
  std::int64_t at_s = 0;  ///< since 1970; of the grace, which nothing's safety hangs on
  std::vector<std::string> objects;
  std::optional<std::vector<std::string>> waits;
  bool operator==(const TrashBatch&) const = default;
};

[[nodiscard]] std::string trash_name(std::uint64_t number, bool waits);
/// The two objects of a batch: canonical JSON.
[[nodiscard]] std::vector<std::byte> encode_trash(const TrashBatch& batch);
[[nodiscard]] std::vector<std::byte> encode_waits(const std::vector<std::string>& waits);
/// Read what the two made. Throw Error{corrupt}.
[[nodiscard]] TrashBatch decode_trash(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::string> decode_waits(std::span<const std::byte> bytes);

/// Every batch of the store, by number.
[[nodiscard]] std::vector<TrashBatch> trash_in(Store& store);
/// The names of all objects that are in a batch.
[[nodiscard]] std::set<std::string> trashed_in(Store& store);

}  // namespace cardswap::store
