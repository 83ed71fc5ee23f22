#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/jobs/recovery_state.h"

namespace cardswap {

struct Job;
struct JobSpec;

/// What became of a job's recoveries on this host: the starts that went on from a snapshot because
/// the copy that stepped was gone. It goes along to the record of the program that takes the job
/// over (JobList::promote()), and to no other host. JobList changes it.
struct RecoveryNotes {
  // Of the recovery that is under way, or of the last one.
  RecoveryState state = RecoveryState::none;
  std::string reason;             ///< why the copy is gone: "it ended by signal 9"
  std::string device;             ///< the device that it had
  std::uint64_t state_bytes = 0;  ///< the memory that it had there
  std::uint64_t last_step = 0;    ///< the last one that the agent knows of that copy
  std::uint32_t tries = 0;        ///< its starts that came to nothing
  std::uint64_t number = 0;       ///< of the snapshot that was chosen, in `store`; 0: none was
  std::uint64_t step = 0;         ///< of that snapshot
  std::uint64_t log_step = 0;     ///< to which its gradient log leads on; 0: none is used
  std::string store;              ///< the address of the store that has it
  std::uint64_t lost_steps = 0;   ///< those between where it goes on and the end of the copy
  std::int64_t at_ms = 0;         ///< when the job had gone on; Unix time
  std::string error;              ///< why it came to nothing; or empty
  std::string hint;               ///< what to do about it
  // Of all recoveries.
  std::uint64_t recovered = 0;  ///< how often the job went on from a snapshot
  std::uint64_t lost_steps_total = 0;

  /// Where it goes on.
  [[nodiscard]] std::uint64_t from_step() const { return log_step != 0 ? log_step : step; }
  [[nodiscard]] bool is_pending() const { return state == RecoveryState::pending; }
  /// Whether it is not known yet what becomes of it.
  [[nodiscard]] bool is_under_way() const {
    return is_pending() || state == RecoveryState::arriving;
  }
};

/// The steps that are gone: those after `step` that the copy had taken.
[[nodiscard]] constexpr std::uint64_t lost_between(std::uint64_t last_step, std::uint64_t step) {
  return last_step > step ? last_step - step : 0;
}

/// The notes of a program that gets the job from a copy with the notes `former`: arriving, where
/// that was the sender of a snapshot for a recovery.
[[nodiscard]] RecoveryNotes notes_on_arrival(RecoveryNotes former);
/// The notes once that program has completed a step: the recovery is counted. Others stay as they
/// are.
[[nodiscard]] RecoveryNotes notes_when_recovered(RecoveryNotes arriving, std::int64_t now_ms);

/// The addresses of the stores from whose snapshots the job may go on: that of its protection
/// first. Empty: there is none.
[[nodiscard]] std::vector<std::string> stores_of(const JobSpec& spec);
/// Whether the store of the job's protection may have snapshots of this run: what else is there
/// under its name is of another.
[[nodiscard]] bool is_own_store(const JobSpec& spec);
/// Whether a snapshot of the job is known from which it can go on: one that this host has put into
/// the store of its protection, or of the one before, or that from which it went on itself.
[[nodiscard]] bool has_snapshot(const Job& job);

/// The notes as the journal has them.
[[nodiscard]] boost::json::object to_journal(const RecoveryNotes& notes);
/// Reads to_journal(); what is missing stays at its default. Throws Error{corrupt}.
[[nodiscard]] RecoveryNotes recovery_notes_from_journal(const boost::json::object& record);
/// The notes as the API shows them with the job; null when there was no recovery.
[[nodiscard]] boost::json::value to_json(const RecoveryNotes& notes);

}  // namespace cardswap
