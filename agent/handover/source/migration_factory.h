#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/base/config.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/target_client.h"
#include "agent/jobs/job_list.h"
#include "agent/security/access.h"

namespace cardswap {

/// Makes a migration's first record from a request, or says why the job cannot move.
///
/// It also finds the agent that a destination means: an address as people write it, or a host's own
/// name as `cardswap jobs` prints it. It starts nothing. Owned by Migrations; one thread; it must
/// outlive its coroutines.
class MigrationFactory {
 public:
  MigrationFactory(asio::io_context& context, const Config& config, JobList& jobs,
                   const MigrationList& list, TargetClient& targets);

  /// `wanted` with `to` as an address: a host's own name is looked up, by asking each --peer if
  /// need be (0.7 s each at most). Waits up to 3 s for a runtime that has not attached again after
  /// a restart of the agent. A rehearsal alone and a snapshot may leave out the address, or all of
  /// `to`: they are at the job's own device then. Throws Error{refused} if this agent has no TCP
  /// port.
  asio::awaitable<MigrationRequest> prepare(MigrationRequest wanted);
  /// `to` as an address, as prepare() has it.
  asio::awaitable<std::string> located(std::string to);
  /// The process of the wanted job, if it can move now. A job of several ranks is refused: a
  /// migration commits the content of one rank. Throws Error{not_found, conflict, refused,
  /// bad_request}. `passed_over`, which may be null, is a running migration that counts as none: a
  /// snapshot that will make way.
  [[nodiscard]] Instance& require_movable(const MigrationSpec& spec,
                                          const Migration* passed_over = nullptr);
  /// A new migration of `source`, with each `automatic` of the request replaced by a choice. For a
  /// snapshot also sets `arrive` to standby and `chunk_bytes` to 1 MiB, whatever was asked for. It
  /// is not recorded. Throws Error{bad_request, refused}.
  [[nodiscard]] Migration make(MigrationRequest wanted, const Instance& source) const;
  /// Whether `asked` is this agent's own request: for a migration of `leaving` that is not
  /// committed yet, between two devices of this host; or a dry run. Without TLS every caller counts
  /// as this agent.
  [[nodiscard]] bool is_own_request(const ReservationRequest& asked, const Instance& leaving,
                                    const Caller& caller) const;
  /// Whether is_own_request() is true and the job does not leave by the migration: it only
  /// rehearses a step, or it takes a snapshot.
  [[nodiscard]] bool may_run_beside_job(const ReservationRequest& asked, const Instance& leaving,
                                        const Caller& caller) const;

 private:
  void need_a_port() const;
  void choose_rehearsal(MigrationSpec& spec, const std::string& job_uid) const;
  [[nodiscard]] std::string device_beside(const MigrationSpec& spec) const;
  [[nodiscard]] bool is_here(const Address& agent) const;
  asio::io_context& io_context_;
  const Config& config_;
  JobList& jobs_;
  const MigrationList& list_;
  TargetClient& targets_;
};

}  // namespace cardswap
