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

/// A place that this host holds for a job on its way in. It has the record, and what one run of the
/// agent knows and forgets at its end.
///
/// Everybody reads the record; two classes write it. TargetExecutor changes what decides, as a
/// whole: it writes a copy of record(), and keeps the copy once the disk has taken it.
/// ReservationList::note() changes what only tells how it goes, and that is on disk with the next
/// record.
class Reservation {
 public:
  /// The place as a former agent left it: what came by CRIU has arrived.
  explicit Reservation(ReservationRecord record);
  Reservation(Reservation&&) = default;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  Reservation& operator=(Reservation&&) = delete;
  ~Reservation() = default;

  std::string data_key;  ///< what the data is sealed with; empty: nothing is
  std::string image_token;
  std::string image_key;  ///< like data_key
  std::uint64_t image_bytes = 0;
  std::string doubt;            ///< why the source's agent does not answer
  std::optional<JobSpec> spec;  ///< until it has ended
  std::string device;           ///< where the standby is started
  bool log_gone = false;        ///< its standby's, of which a few are kept
  std::uint64_t state_bytes = 0;
  std::string data_peers;               ///< addresses of the source, a blank between; empty: any
  std::string tag;                      ///< for a store: of the snapshot; or empty
  std::string framework;                ///< of the source's program; empty: its agent does not tell
  std::uint64_t relocatable_bytes = 0;  ///< arrive criu: of the state, as the source's runtime told
  std::vector<criu::NeededGpu> source_gpus;  ///< arrive criu: that its process has state on
  bool arrived = false;                      ///< arrive criu: the process was restored here
  std::chrono::steady_clock::time_point last_contact_at;  ///< of the source's agent

  [[nodiscard]] const ReservationRecord& record() const { return record_; }

  // What is asked of its record everywhere
  [[nodiscard]] const std::string& migration() const { return record_.migration; }
  [[nodiscard]] const std::string& instance() const { return record_.instance; }
  [[nodiscard]] handover::TargetState state() const { return record_.state(); }
  [[nodiscard]] handover::Epoch epoch() const { return record_.epoch(); }
  [[nodiscard]] bool has_pending_notice() const { return record_.has_pending_notice(); }
  [[nodiscard]] bool is_granted() const { return record_.is_granted(); }
  /// Forgets what only the standby's start needed: many that ended are kept.
  void forget_its_start();

 private:
  friend class ReservationList;
  friend class TargetExecutor;
  template <class Item, class Traits>
  friend class RecordList;

  ReservationRecord record_;
};

/// to_json() for the source's agent alone: with the secrets of the ways that data takes.
[[nodiscard]] boost::json::object to_source_json(const Reservation& reservation);

}  // namespace cardswap
