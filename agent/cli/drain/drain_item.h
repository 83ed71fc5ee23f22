#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/cli/drain/drain_text.h"
#include "agent/placement/placement.h"

namespace cardswap::cli {

/// A rank of a job of many that is on the drained host.
struct DrainRank {
  std::uint32_t rank = 0;
  std::string device;
  std::uint64_t state_bytes = 0;
};

/// One job of a drained host, and how far its move is. Of a job of many it is the ranks that are
/// there, which move at once.
struct DrainItem {
  /// stuck: it cannot move now (PlacementJob::immovable_reason says why); over: row.result says how
  /// it ended.
  enum class Phase { waiting, moving, stuck, over };

  PlacementJob job;
  std::vector<DrainRank> ranks;  ///< in ascending order; empty: the job is one process
  DrainRow row;
  Phase phase = Phase::waiting;
  std::int64_t pid = 0;           ///< of the job's process; another one: the job is back
  bool hooked = false;            ///< the hook has to run with "after" when the move is over
  boost::json::object migration;  ///< as the agent last told it; empty: none was started

  /// How a request names what moves: "gpt", or "ddp/0,2".
  [[nodiscard]] std::string moves() const;
  /// What needs a device of its own: the job, or each of its ranks.
  [[nodiscard]] std::vector<PlacementJob> parts() const;
};

/// The devices of row.to, which has commas between them.
[[nodiscard]] std::vector<std::string> places_of(const DrainRow& row);

/// Where items go. An item that has no device for each of its parts goes nowhere.
struct ItemPlacement {
  /// An item that has its devices.
  struct Placed {
    std::size_t item = 0;  ///< index into the items
    std::string to;        ///< as DrainRow::to
  };
  /// An item that fits nowhere.
  struct Unplaced {
    std::size_t item = 0;
    std::vector<PlacementReason> reasons;  ///< of one of its parts
  };
  std::vector<Placed> placed;  ///< the largest part first
  std::vector<Unplaced> unplaced;
};
/// place() for the parts of all items.
[[nodiscard]] ItemPlacement place_items(std::span<DrainItem* const> items,
                                        std::span<const PlacementDevice> devices);

}  // namespace cardswap::cli
