#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/gang/invitation.h"
#include "agent/gang/protocol/gang_protocol.h"
#include "agent/gang/rank_facts.h"
#include "agent/gang/rank_report.h"
#include "agent/handover/source/migration_request.h"
#include "agent/security/access.h"

namespace cardswap::gang {

/// The gangs in which this agent takes part, as other agents reach them. Each call throws
/// Error{not_found} for a gang or a rank that is not here, Error{unauthorized} for a caller who may
/// not say or ask that, and Error{io, corrupt} if the disk refuses what the call needs. One thread.
class Gangs {
 public:
  virtual ~Gangs() = default;
  /// Handles an order to a rank whose agent this is; returns what it is answered. `invitation`
  /// comes with the order to join; a rank that takes part already does not read it again.
  [[nodiscard]] virtual RankReport obey(const std::string& gang, std::uint32_t rank,
                                        const Order& order,
                                        const std::optional<Invitation>& invitation,
                                        const Caller& caller) = 0;
  /// What is to be told of a rank whose agent this is, once its version is above `after`; at the
  /// latest at `until`, whatever it is then.
  [[nodiscard]] virtual boost::asio::awaitable<RankReport> report(
      std::string gang, std::uint32_t rank, std::uint64_t after,
      std::chrono::steady_clock::time_point until, Caller caller) = 0;
  /// The order that a rank is to have obeyed by now, of a gang that this agent conducts. Throws
  /// Error{refused} for another epoch than the gang's.
  [[nodiscard]] virtual Order decision(const std::string& gang, std::uint32_t rank, Epoch epoch,
                                       const Caller& caller) = 0;
  /// Begins a move that an operator has asked of another agent of the job's ranks, which `caller`
  /// must be; returns the migration as the API shows it. Throws Error{conflict} if another agent
  /// conducts it, and what a move throws that cannot begin.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> begin(MigrationRequest wanted,
                                                                          Caller caller) = 0;
  /// A gang that this agent conducts, as the API shows it, for an agent of one of its ranks; once
  /// its version is above `after`, at the latest at `until`.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> conducted(
      std::string gang, std::uint64_t after, std::chrono::steady_clock::time_point until,
      Caller caller) = 0;
  /// Gives it up for an operator of such an agent; returns it as it is then. Throws Error{conflict}
  /// if it is committed or over.
  [[nodiscard]] virtual boost::json::object give_up(const std::string& gang,
                                                    const Caller& caller) = 0;
  /// What this agent knows of a rank of the job `job` whose process is here. `leaves`: with what a
  /// start of its program needs, which only agents of the same job's ranks are told.
  [[nodiscard]] virtual RankFacts facts(const std::string& job, std::uint32_t rank, bool leaves,
                                        const Caller& caller) = 0;
};

}  // namespace cardswap::gang
