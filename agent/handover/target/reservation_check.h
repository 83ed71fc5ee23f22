#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/handover/base/data_plane.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/admission.h"
#include "agent/handover/target/reservation_list.h"
#include "agent/jobs/cordon.h"
#include "agent/security/access.h"

namespace cardswap {

/// Finds the obstacles to a job that is to come here. Changes nothing.
///
/// Owned by Reservations; one thread; it must outlive its coroutines.
class ReservationCheck {
 public:
  /// All references must outlive it. `migrations`: the migrations from this host, because they know
  /// epochs too and may go to another device of this host.
  ReservationCheck(const HandoverContext& context, const Cordons& cordons,
                   const Migrations& migrations, const ReservationList& list);

  /// The result of inspect_here().
  struct HostInspection {
    std::vector<std::string> missing;  ///< arrive criu: why the image cannot be restored here
    std::optional<Error> no_start;     ///< why the program cannot be started; nullopt: it can
  };
  /// Inspects this host in a child process, as the job's user, for some seconds at most: the
  /// program that is to be started, of a snapshot the keeper; the files of a process image if one
  /// may come here at all. Throws Error{bad_request} for `process` that cannot be read.
  [[nodiscard]] asio::awaitable<HostInspection> inspect_here(ReservationRequest wanted,
                                                             Caller caller) const;

  /// The result of check().
  struct Found {
    AdmissionVerdict admission;
    std::vector<criu::NeededGpu> source_gpus;  ///< arrive criu: GPUs on which its process has state
  };
  /// Decides about a request. `seen`: the result of inspect_here() for it. An epoch that must not
  /// go on is also logged, and an event tells operators. Throws Error{bad_request} for `process`
  /// that cannot be read.
  [[nodiscard]] Found check(const ReservationRequest& wanted, const Caller& caller,
                            const ListenAddress& address, HostInspection seen) const;
  /// Throws Error{conflict} if the migration has a reservation already, or leaves this host for
  /// another one.
  void check_is_new(const ReservationRequest& wanted, const Caller& caller) const;

 private:
  void inspect_host(const ReservationRequest& wanted, const Caller& caller,
                    AdmissionRequest& asked) const;
  [[nodiscard]] bool is_recovery(const ReservationRequest& wanted, const Caller& caller) const;
  void inspect_copies(const ReservationRequest& wanted, const Caller& caller,
                      AdmissionVerdict& admission) const;
  /// The obstacles to a process image here; the GPUs that it needs.
  std::vector<criu::NeededGpu> add_blocks(const ReservationRequest& wanted, const Caller& caller,
                                          std::vector<std::string> missing,
                                          AdmissionVerdict& admission) const;

  const HandoverContext& context_;
  const Cordons& cordons_;
  const Migrations& migrations_;
  const ReservationList& list_;
};

}  // namespace cardswap
