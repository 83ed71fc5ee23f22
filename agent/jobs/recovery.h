#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

struct Job;
struct JobSpec;

/// What became of a job's recoveries on this host: the starts that went on from a snapshot because
/// the copy that stepped was gone. It decides too: while `is_pending` the agent owes the job such a
/// start, also after a restart of the agent.
struct RecoveryNotes {
  bool is_pending = false;
  std::string reason;             ///< why the copy is gone: "it ended by signal 9"
  std::string device;             ///< the device that it had
  std::uint64_t state_bytes = 0;  ///< the memory that it had there
  std::uint64_t last_step = 0;    ///< the last one that the agent knows of that copy
  std::uint32_t tries = 0;        ///< starts of this recovery that came to nothing
  // The snapshot that was chosen last.
  std::uint64_t number = 0;  ///< among the job's snapshots in `store`; 0: none was chosen
  std::uint64_t step = 0;
  std::string store;
  bool begun_anew = false;  ///< the last one found no snapshot: the job began at its first step
  // Of all recoveries.
  std::uint64_t recovered = 0;         ///< how many the job went on from
  std::uint64_t lost_steps = 0;        ///< the steps between the last one's snapshot and its end
  std::uint64_t lost_steps_total = 0;  ///< of all of them
  std::int64_t at_ms = 0;              ///< when the last one was over; Unix time
  std::string error;                   ///< why the last one came to nothing; or empty
  std::string hint;                    ///< what to do about it
};

/// The steps that are gone: those after `step` that the copy had taken.
[[nodiscard]] constexpr std::uint64_t lost_between(std::uint64_t last_step, std::uint64_t step) {
  return last_step > step ? last_step - step : 0;
}

/// The notes of a job whose program has taken over from a snapshot sender with `sender`'s notes.
[[nodiscard]] RecoveryNotes notes_when_recovered(RecoveryNotes sender, std::int64_t now_ms);

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
