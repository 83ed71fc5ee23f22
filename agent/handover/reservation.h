#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/criu/gpu_match.h"
#include "agent/handover/target_side.h"
#include "agent/jobs/jobs.h"
#include "migrator/core/error.h"
#include "migrator/wire/channel.h"

namespace cardswap {

/// A place that this host holds for a job on its way in.
struct Reservation {
  std::string migration;
  std::string job;  ///< its name; empty in records of old releases
  std::uint64_t version = 1;
  handover::TargetSide side{{}};  ///< its state, epoch and content
  std::string instance;           ///< of the standby
  std::string from;
  /// Who reserved it, by its certificate; nobody else may ask about it. Empty: without
  /// certificates.
  std::string owner;
  std::string from_api;   ///< host:port of the source's agent, for a target in doubt
  std::string data_host;  ///< where the source connects to: the standby's own word once it listens
  std::uint16_t data_port = 0;
  std::string data_token;
  std::string data_key;  ///< what the data is sealed with; empty: nothing is. Never on disk
  Arrival arrive = Arrival::standby;
  std::string image_host;        ///< the address of this host that the source can reach
  std::uint16_t image_port = 0;  ///< arrive criu: where the process image is taken
  std::string image_token;
  std::string image_key;  ///< like data_key
  std::uint64_t image_bytes = 0;
  double restore_ms = 0;
  double driver_resume_ms = 0;  ///< CUDA state put back; 0: the process has none
  double verify_ms = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  std::vector<double> first_steps;  ///< what its first own ones took; kStepsAfter at most
  bool first_steps_over = false;    ///< no other is told
  std::string forced;               ///< by an operator, to "source" or "target"; or empty
  std::optional<Error> error;
  std::int64_t ended_at_ms = 0;  ///< completed or failed; 0: neither
  std::string warning;           ///< what the standby does that may harm the job; or empty
  // not journalled:
  bool in_doubt = false;  ///< verified, and the source's agent does not answer
  std::string doubt;      ///< why it does not
  std::string copy;  ///< what the source's agent said of the lower copy there: "steps", "frozen"
  std::optional<JobSpec> spec;  ///< until it has ended
  std::string device;           ///< where the standby is started
  bool log_gone = false;        ///< its standby's, of which a few are kept
  std::uint64_t state_bytes = 0;
  std::string data_peers;               ///< addresses of the source, a blank between; empty: any
  std::vector<std::string> addresses;   ///< of this host, once the standby parked; none: not known
  std::string framework;                ///< of the source's program; empty: its agent does not tell
  std::uint64_t relocatable_bytes = 0;  ///< arrive criu: of the state, as the source's runtime told
  std::vector<criu::NeededGpu> source_gpus;        ///< arrive criu: that its process has state on
  bool arrived = false;                            ///< arrive criu: the process was restored here
  std::chrono::steady_clock::time_point heard_at;  ///< of the source's agent

  [[nodiscard]] bool granted() const { return handover::is_granted(side.state()); }
  /// Many that ended are kept: what only the standby's start needed goes.
  void drop_what_its_end_does_not_need();
};

[[nodiscard]] boost::json::object to_json(const Reservation& reservation);
/// to_json() for the source's agent alone: with the secrets of the ways that data takes.
[[nodiscard]] boost::json::object to_source_json(const Reservation& reservation);
/// The journal's form has the standby's instance and the source's address too.
[[nodiscard]] boost::json::object to_journal(const Reservation& reservation);
[[nodiscard]] Reservation reservation_from_journal(const boost::json::object& record);

}  // namespace cardswap
