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

namespace cardswap {

/// Finds out what stands against a job that is to come here. Changes nothing.
///
/// Owned by Reservations; one thread; it outlives its calls.
class ReservationCheck {
 public:
  /// All of them outlive it. `migrations`: those of this host, whose epochs count here too, and
  /// which may go from one of its devices to another.
  ReservationCheck(const HandoverContext& context, const Cordons& cordons,
                   const Migrations& migrations, const ReservationList& list);

  /// What a look at this host found for a request.
  struct HostInspection {
    std::vector<std::string> missing;  ///< of what a process image needs
    std::optional<Error> no_start;     ///< why the program cannot be started
  };
  /// Looks beside the agent, as the job's user, for some seconds at most: at the program where it
  /// is to be started, and at the files of a process image where one may come here at all.
  [[nodiscard]] asio::awaitable<HostInspection> inspect_here(ReservationRequest wanted,
                                                             Caller caller) const;

  /// What a look at this host has found.
  struct Found {
    Admission admission;
    std::vector<criu::NeededGpu> source_gpus;  ///< arrive criu: that its process has state on
  };
  /// `seen`: what inspect_here() has found for this request. Told to operators: an epoch that must
  /// not go on.
  [[nodiscard]] Found check(const ReservationRequest& wanted, const Caller& caller,
                            const ListenAddress& address, HostInspection seen) const;
  /// Throws Error{conflict}: that migration has a place, or leaves this host.
  void check_is_new(const ReservationRequest& wanted, const Caller& caller) const;

 private:
  void inspect_host(const ReservationRequest& wanted, const Caller& caller,
                    AdmissionRequest& asked) const;
  void inspect_copies(const ReservationRequest& wanted, const Caller& caller,
                      Admission& admission) const;
  /// What stands against a process image here; the GPUs that it needs.
  std::vector<criu::NeededGpu> add_blocks(const ReservationRequest& wanted, const Caller& caller,
                                          std::vector<std::string> missing,
                                          Admission& admission) const;

  const HandoverContext& context_;
  const Cordons& cordons_;
  const Migrations& migrations_;
  const ReservationList& list_;
};

}  // namespace cardswap
