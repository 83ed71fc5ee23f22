#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap::cli {

/// What a snapshot of a job waits for that its agent has refused. A job is in one migration at a
/// time: once the one that it is in has ended, its next one is asked for again. Pure.
class SnapshotTurn {
 public:
  explicit SnapshotTurn(std::string job) : job_(std::move(job)) {}

  /// `refusal` is the agent's answer to the request, and `running` its answer to `GET
  /// /v1/migrations?running=1` after that. Returns the migration of the job whose end is to be
  /// waited for. Nullopt: it is in none any more; ask again. Throws `refusal` if waiting is of no
  /// use: it comes for the second time in a row, and no migration explains it; and
  /// Error{bad_request} if the id of a migration is none.
  [[nodiscard]] std::optional<boost::json::object> waits_for(const Error& refusal,
                                                             const boost::json::object& running);

 private:
  std::string job_;
  std::string refused_;  // the last refusal, if no migration explained it
};

}  // namespace cardswap::cli
