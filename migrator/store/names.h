#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "migrator/store/object_id.h"

/// What objects are called in a store, the same in every back end; docs/store.md has the list.
namespace cardswap::store {

inline constexpr const char* kStoreFile = "store.json";
inline constexpr const char* kPacks = "packs/";
inline constexpr const char* kNodes = "nodes/";
inline constexpr const char* kManifests = "manifests/";
inline constexpr const char* kJobs = "jobs/";
inline constexpr const char* kFences = "fence/";
inline constexpr const char* kTrash = "trash/";

/// "packs/4f/4f2c...9a.pack" and so on.
[[nodiscard]] std::string pack_name(const ObjectId& id);
[[nodiscard]] std::string node_name(const ObjectId& id);
[[nodiscard]] std::string manifest_name(const ObjectId& id);
/// The id in a name that pack_name(), node_name() or manifest_name() made; none: it is no such.
[[nodiscard]] std::optional<ObjectId> id_in_name(std::string_view name);

/// "jobs/gpt/refs/", and under it "00000000000000000042". The order of names is that of numbers.
[[nodiscard]] std::string refs_prefix(std::string_view job);
[[nodiscard]] std::string ref_name(std::string_view job, std::uint64_t seq);
/// The number at the end of a name, 20 digits after the last '/'; none: it has none.
[[nodiscard]] std::optional<std::uint64_t> number_in_name(std::string_view name);
/// "jobs/gpt/tags/before-lr-drop/", and under it numbers as of refs: the highest is the tag.
[[nodiscard]] std::string tag_prefix(std::string_view job, std::string_view tag);
[[nodiscard]] std::string tag_name(std::string_view job, std::string_view tag, std::uint64_t seq);
/// "jobs/gpt/intents/", and under it one name a writer or reader that is under way.
[[nodiscard]] std::string intents_prefix(std::string_view job);
[[nodiscard]] std::string intent_name(std::string_view job, std::string_view writer);
/// "fence/gpt/00000000000000000007": whoever finds a higher epoch than its own stops.
[[nodiscard]] std::string fence_name(std::string_view job, std::uint64_t epoch);

/// Whether a job, branch, tag or writer may be called so: 1 to 63 of a-z, 0-9, '.', '_' and '-', a
/// letter or a digit first.
[[nodiscard]] bool is_label(std::string_view text);

}  // namespace cardswap::store
