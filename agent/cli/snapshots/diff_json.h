#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "migrator/tensors/compare_snapshots.h"

namespace cardswap::cli {

/// Returns what differs between two snapshots, for `-o json` and diff_text(). `tensors`: nullopt if
/// they were not compared; of those that differ, at most `top` are told.
[[nodiscard]] boost::json::object diff_json(
    const tensors::SnapshotComparison& comparison,
    const std::optional<std::vector<tensors::ComparedTensor>>& tensors, std::size_t top);

}  // namespace cardswap::cli
