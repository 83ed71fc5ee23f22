#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_intake.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// What a plan asks; all of it outlives the question.
struct PlanContext {
  const HandoverContext& agent;
  MigrationIntake& intake;
  const MigrationList& list;  ///< what earlier ones measured
  TargetClient& targets;
  const PredictionBook& book;
};

/// Says what a migration would do, without doing it: `migrate --dry-run`. What stands against it is
/// in the answer; throws Error where the job cannot be asked to move at all.
[[nodiscard]] boost::asio::awaitable<boost::json::object> plan_migration(MigrationRequest wanted,
                                                                         PlanContext context);

}  // namespace cardswap
