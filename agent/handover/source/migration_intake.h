#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/base/config.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/target_client.h"
#include "agent/jobs/job_table.h"

namespace cardswap {

/// Makes a migration's first record from a request, or says why there can be none.
///
/// It also finds the agent that a destination means: an address as people write it, or a host's own
/// name as `cardswap jobs` prints it. It starts nothing. Owned by Migrations; one thread; it
/// outlives its calls.
class MigrationIntake {
 public:
  MigrationIntake(asio::io_context& context, const Config& config, JobTable& jobs,
                  const MigrationList& list, TargetClient& targets);

  /// `wanted` with `to` as an address: a host's own name is looked up. Waits a moment for a runtime
  /// that has to find an agent again that was restarted. Throws Error{refused} where this agent
  /// cannot be called back.
  asio::awaitable<MigrationRequest> prepared(MigrationRequest wanted);
  /// The process of the job that is asked for, if it can move now. Throws Error. A job of several
  /// ranks is refused: what a migration commits is the content of one.
  [[nodiscard]] Instance& movable(const MigrationSpec& spec);
  /// The record of a migration by which `source` would leave, with what was left open chosen.
  /// Throws Error{bad_request, refused}.
  [[nodiscard]] Migration make(MigrationRequest wanted, const Instance& source) const;
  /// Whether this very agent asks for a place here, for a migration of `leaving` that is under way
  /// or, in a dry run, could be. Without TLS every caller is taken for it.
  [[nodiscard]] bool moves_within(const ReservationRequest& asked, const Instance& leaving,
                                  const Caller& caller) const;
  /// Whether moves_within() holds of a migration by which nothing leaves: a rehearsal alone, a
  /// snapshot.
  [[nodiscard]] bool may_stand_beside(const ReservationRequest& asked, const Instance& leaving,
                                      const Caller& caller) const;

 private:
  void need_a_port() const;
  void choose_rehearsal(MigrationSpec& spec, const std::string& job_uid) const;
  [[nodiscard]] std::string device_beside(const MigrationSpec& spec) const;
  [[nodiscard]] Address own_address() const;
  [[nodiscard]] bool is_here(const Address& agent) const;
  asio::awaitable<std::string> located(std::string to);

  asio::io_context& io_context_;
  const Config& config_;
  JobTable& jobs_;
  const MigrationList& list_;
  TargetClient& targets_;
};

}  // namespace cardswap
