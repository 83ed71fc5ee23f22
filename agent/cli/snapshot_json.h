#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "migrator/store/refs.h"

namespace cardswap::cli {

/// A job's snapshots in a store, the newest first.
[[nodiscard]] boost::json::object history_of(store::Store& in, const std::string& job);
/// A history as a table, with what is damaged below it.
[[nodiscard]] std::string history_table(const boost::json::object& history);

/// All that a snapshot says of itself, but for its regions and tensors, which are counted.
[[nodiscard]] boost::json::object snapshot_json(store::Store& in, const store::Ref& ref);
[[nodiscard]] std::string snapshot_text(const boost::json::object& snapshot);

}  // namespace cardswap::cli
