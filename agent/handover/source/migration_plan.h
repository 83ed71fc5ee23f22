#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_factory.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// The parts of the agent that a plan uses. All must outlive plan_migration().
struct PlanContext {
  const HandoverContext& agent;
  MigrationFactory& factory;
  const MigrationList& list;  ///< earlier migrations, with what they measured
  TargetClient& targets;
  const PredictionBook& book;
};

/// Predicts what a migration would do, without doing it: `migrate --dry-run`. The answer lists what
/// stands against it. Throws what MigrationFactory::require_movable() and make() throw if the job
/// cannot move now at all, and what examine_process() throws. Takes some seconds at most, for the
/// target's answer.
[[nodiscard]] boost::asio::awaitable<boost::json::object> plan_migration(MigrationRequest wanted,
                                                                         PlanContext context);

}  // namespace cardswap
