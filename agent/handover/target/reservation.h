#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/criu/gpu_match.h"
#include "agent/handover/target/reservation_record.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// A reservation: what this host holds for a job that arrives. It has the record, and state that is
/// forgotten when the agent ends.
///
/// Everybody reads the record; three classes write it. TargetExecutor changes the fields that
/// decide: it writes a copy of record() to disk, and keeps the copy once that has succeeded.
/// ReservationList::note() changes the fields that only describe progress: in memory at once, on
/// disk with the next record. RecordList::touch() raises its version.
class Reservation {
 public:
  /// Takes the record of a new reservation: nothing has arrived.
  explicit Reservation(ReservationRecord record);
  /// Takes the record of a former agent's reservation. If CRIU moves the process, it has arrived:
  /// one that CRIU had not restored yet did not outlive its agent.
  [[nodiscard]] static Reservation left_by_a_former_agent(ReservationRecord record);
  Reservation(Reservation&&) = default;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  Reservation& operator=(Reservation&&) = delete;
  ~Reservation() = default;

  std::string data_key;           ///< the key that seals the data; empty: it is not sealed
  std::string image_token;        ///< arrive criu: the source shows it when it sends the image
  std::string image_key;          ///< the key that seals the image; empty: it is not sealed
  std::uint64_t image_bytes = 0;  ///< arrive criu: the size of the received image
  std::string doubt;              ///< why the source's agent gave no decision; empty: no doubt
  std::optional<JobSpec> spec;    ///< nullopt once it has ended
  std::string device;             ///< where the standby is started
  bool log_gone = false;          ///< its standby's log was removed
  std::uint64_t state_bytes = 0;
  std::string allowed_addresses;  ///< addresses of the source, separated by blanks; empty: any
  std::string tag;                ///< a snapshot: its name for people; empty: it has none
  std::string framework;          ///< of the source's program; empty: its agent does not tell
  std::uint64_t relocatable_bytes = 0;  ///< arrive criu: the part of the state that is sent ahead
  std::vector<criu::NeededGpu> source_gpus;  ///< arrive criu: GPUs on which its process has state
  channel::GangPlace place;                  ///< of a newcomer of a gang; else its gang is empty
  bool arrived = false;                      ///< arrive criu: the process was restored here
  std::chrono::steady_clock::time_point last_contact_at;  ///< when the source's agent last called
  /// A snapshot: when the keeper last said that it holds the state, and that its store takes it.
  std::chrono::steady_clock::time_point keeper_heard_at;

  [[nodiscard]] const ReservationRecord& record() const { return record_; }

  // Shorthands for fields of the record
  [[nodiscard]] const std::string& migration() const { return record_.migration; }
  [[nodiscard]] const std::string& instance() const { return record_.instance; }
  [[nodiscard]] handover::TargetState state() const { return record_.state(); }
  [[nodiscard]] handover::Epoch epoch() const { return record_.epoch(); }
  [[nodiscard]] bool has_pending_notice() const { return record_.has_pending_notice(); }
  [[nodiscard]] bool is_granted() const { return record_.is_granted(); }
  /// Frees what only the start of the standby needs, because many ended reservations are kept.
  void forget_its_start();

 private:
  friend class ReservationList;
  friend class TargetExecutor;
  template <class Item, class Traits>
  friend class RecordList;

  ReservationRecord record_;
};

/// How long the keeper of a snapshot may be silent while it writes.
inline constexpr std::chrono::minutes kKeeperSilenceMax{10};
/// Whether the keeper of `r` holds the state, and at `now` has been silent for longer than it may:
/// its store does not answer.
[[nodiscard]] bool is_keeper_silent(const Reservation& r,
                                    std::chrono::steady_clock::time_point now);
/// to_json() for the source's agent alone: with the tokens and keys of the data connections.
[[nodiscard]] boost::json::object to_source_json(const Reservation& reservation);

}  // namespace cardswap
