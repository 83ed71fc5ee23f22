#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "migrator/store/refs.h"

namespace cardswap::cli {

/// Returns the snapshots of a job in a store, the newest first. A snapshot whose manifest cannot be
/// read has only the fields of its ref, and is listed in `damaged`, as tags that cannot be read
/// are. Throws as store::refs_of().
[[nodiscard]] boost::json::object history_of(store::Store& in, const std::string& job);
/// Returns a history as a table, and below it what is damaged.
[[nodiscard]] std::string history_table(const boost::json::object& history);

/// Returns the fields of a snapshot, its tags, and the number of its regions and tensors. A tag
/// that cannot be read is left out. Throws Error{corrupt, not_found, protocol_mismatch} for its
/// manifest, and as store::refs_of().
[[nodiscard]] boost::json::object snapshot_json(store::Store& in, const store::Ref& ref);
/// Returns what snapshot_json() has as lines for people.
[[nodiscard]] std::string snapshot_text(const boost::json::object& snapshot);

}  // namespace cardswap::cli
