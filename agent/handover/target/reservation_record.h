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

/// The state of the source's copy, whose epoch is lower than the one here, as its agent reports it.
enum class LowerCopy : std::uint8_t { steps, frozen };
constexpr LowerCopy last_of(LowerCopy) { return LowerCopy::frozen; }
/// Names a state: "steps", "frozen".
[[nodiscard]] constexpr std::string_view to_string(LowerCopy copy) {
  return copy == LowerCopy::steps ? "steps" : "frozen";
}

/// The fields of a reservation's record that describe its progress and decide nothing.
struct ReservationNotes {
  std::string job;  ///< the job's name; empty in records of old releases
  double restore_ms = 0;
  double driver_resume_ms = 0;  ///< putting CUDA state back; 0: the process has none
  double verify_ms = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  std::vector<double> first_steps;  ///< the job's first steps here, in ms; at most kStepsAfter
  bool first_steps_over = false;    ///< no further step will be reported
  StoredSnapshot stored;            ///< a snapshot: what the keeper reported once it was published
  std::string warning;              ///< what the standby does that may harm the job; or empty
  // Written to disk for people, and not read back by a restarted agent:
  std::string data_host;  ///< where the source connects to: as the standby reports once it listens
  std::uint16_t data_port = 0;
  std::uint16_t image_port = 0;        ///< arrive criu: where the process image is taken
  std::vector<std::string> addresses;  ///< of this host, once the standby parked; empty: not known
  bool in_doubt = false;               ///< verified, and the source's agent gives no decision
  std::optional<LowerCopy> copy;       ///< after an operator's decision; nullopt: not known
};

/// The journal's record of a reservation.
struct ReservationRecord : ReservationNotes {
  std::string migration;
  std::uint64_t version = 1;
  handover::TargetSide side{{}};  ///< its state, epoch and content
  std::string instance;           ///< the standby's
  std::string from;
  /// The agent that reserved it, by its certificate's name; nobody else may ask about it. Empty:
  /// agents have no certificates, or it is this agent.
  std::string owner;
  std::string from_api;    ///< host:port of the source's agent, for a target in doubt
  std::string data_token;  ///< the source shows it to the standby; kept over a restart
  ArrivalMode arrive = ArrivalMode::standby;
  std::string store;  ///< a snapshot: the address of its store; empty: the job moves
  std::optional<MigrationSide> forced;  ///< by an operator
  std::optional<Error> error;
  std::int64_t ended_at_ms = 0;  ///< when it completed or failed (Unix time); 0: it has not
  /// The address of this host that the source can reach. Not read back, as above.
  std::string image_host;

  [[nodiscard]] handover::TargetState state() const { return side.state(); }
  /// The epoch under which it is, or is to be, granted.
  [[nodiscard]] handover::Epoch epoch() const { return side.durable().epoch; }
  /// Whether an operator gave the job to this host, and its source does not know it yet.
  [[nodiscard]] bool has_pending_notice() const { return side.durable().notice_pending; }
  [[nodiscard]] bool is_granted() const { return handover::is_granted(side.state()); }
};

/// The reservation under the names of the API, without secrets.
[[nodiscard]] boost::json::object to_json(const ReservationRecord& reservation);
/// The journal's form: with the standby's instance, the source's address and the data token too.
[[nodiscard]] boost::json::object to_journal(const ReservationRecord& reservation);
/// Reads to_journal(). Throws Error{corrupt} if the state, the epoch, the step or the state digest
/// cannot be read, or a number is out of range. Other missing fields keep their defaults.
[[nodiscard]] ReservationRecord reservation_from_journal(const boost::json::object& record);

}  // namespace cardswap
