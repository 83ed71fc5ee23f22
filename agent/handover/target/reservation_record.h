#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handover/base/stored_snapshot.h"
#include "agent/handover/protocol/migration_side.h"
#include "agent/handover/protocol/target_side.h"
#include "migrator/base/error.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap {

/// What the source's agent said of the copy of a job there, of a lower epoch than the one here.
enum class LowerCopy : std::uint8_t { steps, frozen };
constexpr LowerCopy last_of(LowerCopy) { return LowerCopy::frozen; }
/// "steps", "frozen".
[[nodiscard]] constexpr std::string_view to_string(LowerCopy copy) {
  return copy == LowerCopy::steps ? "steps" : "frozen";
}

/// What of a place's record tells how it goes, and decides nothing of it.
struct ReservationNotes {
  std::string job;  ///< its name; empty in records of old releases
  double restore_ms = 0;
  double driver_resume_ms = 0;  ///< CUDA state put back; 0: the process has none
  double verify_ms = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  std::vector<double> first_steps;  ///< what its first own ones took; kStepsAfter at most
  bool first_steps_over = false;    ///< no other is told
  StoredSnapshot stored;            ///< for a store, once it is there
  std::string warning;              ///< what the standby does that may harm the job; or empty
  // on disk for people, and not taken back by a restarted agent:
  std::string data_host;  ///< where the source connects to: the standby's own word once it listens
  std::uint16_t data_port = 0;
  std::uint16_t image_port = 0;        ///< arrive criu: where the process image is taken
  std::vector<std::string> addresses;  ///< of this host, once the standby parked; none: not known
  bool in_doubt = false;               ///< verified, and the source's agent does not answer
  std::optional<LowerCopy> copy;
};

/// What the journal holds of a place for a job on its way in.
struct ReservationRecord : ReservationNotes {
  std::string migration;
  std::uint64_t version = 1;
  handover::TargetSide side{{}};  ///< its state, epoch and content
  std::string instance;           ///< of the standby
  std::string from;
  /// Who reserved it, by its certificate; nobody else may ask about it. Empty: without
  /// certificates.
  std::string owner;
  std::string from_api;    ///< host:port of the source's agent, for a target in doubt
  std::string data_token;  ///< its program has it, and outlives this agent
  Arrival arrive = Arrival::standby;
  std::string store;  ///< a keeper holds the state, for this one; empty: the job moves
  std::optional<MigrationSide> forced;  ///< by an operator
  std::optional<Error> error;
  std::int64_t ended_at_ms = 0;  ///< completed or failed; 0: neither
  /// The address of this host that the source can reach. On disk for people, as above.
  std::string image_host;

  [[nodiscard]] handover::TargetState state() const { return side.state(); }
  /// The epoch that it is, or is to be, granted under.
  [[nodiscard]] handover::Epoch epoch() const { return side.record().epoch; }
  /// Whether it was forced here, and its source must still say that nothing steps there.
  [[nodiscard]] bool has_pending_notice() const { return side.record().notice_pending; }
  [[nodiscard]] bool is_granted() const { return handover::is_granted(side.state()); }
};

/// The place under the names of the API. What is secret is in none of it.
[[nodiscard]] boost::json::object to_json(const ReservationRecord& reservation);
/// The journal's form has the standby's instance and the source's address too.
[[nodiscard]] boost::json::object to_journal(const ReservationRecord& reservation);
/// Throws Error{corrupt} for one whose state cannot be read.
[[nodiscard]] ReservationRecord reservation_from_journal(const boost::json::object& record);

}  // namespace cardswap
