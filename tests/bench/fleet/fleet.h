#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/health/decisions/decision_engine.h"
#include "agent/placement/placement.h"

/// A fleet as the simulation knows it: what is really on each device, whatever anybody believes.
namespace cardswap::bench {

using health::Ms;

struct FleetShape {
  std::size_t hosts = 10'000;
  std::size_t devices = 8;  ///< of each host
  std::uint64_t seed = 1;
};

struct FleetJob {
  std::string name;
  std::string uid;
  std::size_t device = 0;  ///< where it trains: index into Fleet's devices
  std::uint64_t bytes = 0;
  Ms arrived = 0;
  bool live = true;
  bool moving = false;
};

struct FleetHost {
  std::string address;
  bool drained = false;  ///< a cordon of the whole host
  std::unique_ptr<health::DecisionEngine> engine;
  std::map<std::string, std::vector<std::string>> avoid;  ///< job uid: targets that failed
  // Kept apart from the engine, to hold it against:
  std::set<std::string> moving;         ///< by health, now
  std::deque<Ms> started;               ///< by health, within the last hour
  std::set<std::size_t> untrusted;      ///< devices whose memory must not be copied
  std::map<std::size_t, Ms> broken_at;  ///< devices that wait for their repair
  Ms plans_at = 0;                      ///< when its next look is due; 0: none
};

/// The books: who is where, and what is promised. Every entry is checked as it is made.
class Fleet {
 public:
  explicit Fleet(const FleetShape& shape);

  [[nodiscard]] std::size_t host_of(std::size_t device) const { return device / shape_.devices; }
  [[nodiscard]] std::size_t first_device(std::size_t host) const { return host * shape_.devices; }
  [[nodiscard]] const FleetShape& shape() const { return shape_; }
  /// Devices of `count` hosts from `host` on, as their agents would tell them now.
  [[nodiscard]] std::vector<PlacementDevice> seen(std::size_t host, std::size_t count) const;
  [[nodiscard]] const PlacementDevice& device(std::size_t index) const { return devices_[index]; }
  /// Of one that seen() returned.
  [[nodiscard]] std::size_t index_of(const PlacementDevice& device) const;
  [[nodiscard]] const std::vector<std::size_t>& jobs_on(std::size_t device) const {
    return on_[device];
  }
  [[nodiscard]] PlacementJob wanted(const FleetJob& job) const;
  /// As the health engine of a host sees its jobs.
  [[nodiscard]] std::vector<health::HostJob> host_jobs(std::size_t host) const;

  std::size_t start_job(std::size_t device, std::uint64_t bytes);
  void end_job(std::size_t job);
  /// What the target's agent decides when a reservation reaches it, by the real rule; the reason
  /// when it refuses.
  [[nodiscard]] std::string reserve(std::size_t job, std::size_t device);
  /// As if nobody asked that rule.
  void reserve_unasked(std::size_t job, std::size_t device);
  /// Reservations that are on their way to a host.
  [[nodiscard]] std::size_t arriving_at(std::size_t host) const;
  void arrive(std::size_t job, std::size_t device, Ms now);
  void give_back(std::size_t job, std::size_t device);
  void cordon(std::size_t device, bool closed);
  void cordon_host(std::size_t host, bool closed);

  /// Everything counted anew from the jobs: a difference is a violation.
  void audit();
  void violation(std::string what);
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  [[nodiscard]] std::size_t violation_count() const { return violation_count_; }

  std::vector<FleetHost> hosts;
  std::vector<FleetJob> jobs;

 private:
  void take(std::size_t device, std::uint64_t bytes);
  void free(std::size_t device, std::uint64_t bytes);

  FleetShape shape_;
  std::vector<PlacementDevice> devices_;  ///< free_bytes and jobs are the truth
  std::vector<bool> closed_;              ///< a cordon of the device itself
  std::vector<std::vector<std::size_t>> on_;
  std::map<std::size_t, std::size_t> arriving_;  ///< job: device that is reserved for it
  std::vector<std::string> violations_;          // the first few
  std::size_t violation_count_ = 0;
};

}  // namespace cardswap::bench
