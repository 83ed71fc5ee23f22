#include "agent/cli/snapshots/snapshot_turn.h"

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/validate.h"

namespace cardswap::cli {

std::optional<boost::json::object> SnapshotTurn::waits_for(const Error& refusal,
                                                           const boost::json::object& running) {
  if (refusal.code() != Code::conflict) throw refusal;
  for (const auto& one : array_at(running, "migrations")) {
    if (!one.is_object() || text_at(one.get_object(), "job") != job_) continue;
    (void)validate::migration_id("id", text_at(one.get_object(), "id"));
    refused_.clear();
    return one.get_object();
  }
  // What it was refused for may have ended between the two calls. Another migration's refusal has
  // another text; the same one again is about something else.
  if (refused_ == refusal.failure()) throw refusal;
  refused_ = refusal.failure();
  return std::nullopt;
}

}  // namespace cardswap::cli
