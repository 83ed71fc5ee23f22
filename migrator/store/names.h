#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "migrator/store/object_id.h"

/// The names of objects in a store, the same in every back end; docs/store.md has the list. A
/// function that takes a job, a tag or an owner throws Error{bad_request} if that is not a label.
namespace cardswap::store {

inline constexpr const char* kStoreFile = "store.json";
inline constexpr const char* kPacks = "packs/";
inline constexpr const char* kNodes = "nodes/";
inline constexpr const char* kManifests = "manifests/";
inline constexpr const char* kJobs = "jobs/";
inline constexpr const char* kClaimedEpochs = "fence/";  ///< epoch_claims.h
inline constexpr const char* kTrash = "trash/";

/// "packs/4f/4f2c...9a.pack" and so on.
[[nodiscard]] std::string pack_name(const ObjectId& id);
[[nodiscard]] std::string node_name(const ObjectId& id);
[[nodiscard]] std::string manifest_name(const ObjectId& id);
/// The id in a name of pack_name(), node_name() or manifest_name(). Nullopt: it is not such a name.
[[nodiscard]] std::optional<ObjectId> id_in_name(std::string_view name);

/// "jobs/gpt/refs/", and "jobs/gpt/refs/00000000000000000042". Names sort in the order of the
/// numbers.
[[nodiscard]] std::string refs_prefix(std::string_view job);
[[nodiscard]] std::string ref_name(std::string_view job, std::uint64_t number);
/// The number at the end of a name: 20 digits after the last '/'. Nullopt: the name has no such
/// end.
[[nodiscard]] std::optional<std::uint64_t> number_in_name(std::string_view name);
/// "jobs/gpt/tags/".
[[nodiscard]] std::string tags_prefix(std::string_view job);
/// "jobs/gpt/tags/before-lr-drop/", and that with the number of a record behind it. The record with
/// the highest number says where the tag is.
[[nodiscard]] std::string tag_prefix(std::string_view job, std::string_view tag);
[[nodiscard]] std::string tag_name(std::string_view job, std::string_view tag,
                                   std::uint64_t revision);
/// "jobs/gpt/intents/", and that with the name of an intent's owner behind it.
[[nodiscard]] std::string intents_prefix(std::string_view job);
[[nodiscard]] std::string intent_name(std::string_view job, std::string_view owner);

/// Whether a text is valid as the name of a job, branch, tag or owner: 1 to 63 of a-z, 0-9, '.',
/// '_' and '-', and the first is a letter or a digit.
[[nodiscard]] bool is_label(std::string_view text);

}  // namespace cardswap::store
