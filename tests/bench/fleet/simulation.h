#pragma once

#include <array>
#include <functional>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "tests/bench/fleet/fleet.h"

namespace cardswap::bench {

/// What happens to the fleet, and how often. Times are simulated.
struct SimulationOptions {
  FleetShape shape;
  Ms length = 3'600'000;
  double jobs_per_device = 0.7;
  Ms finding_every = 1'000;  ///< somewhere in the fleet
  Ms storm_every = 900'000;
  std::size_t storm_hosts = 250;
  std::size_t storm_alerts = 1000;  ///< of each of its hosts, within 10 s
  Ms drain_every = 20'000;
  Ms row_drain_every = 1'800'000;  ///< hosts of a row of 10,000 devices, planned over all of them
  std::size_t row_drain_hosts = 16;
  Ms restart_every = 5'000;  ///< of a host's agent, somewhere
  Ms job_ends_every = 500;   ///< somewhere; another one starts
  double failed_moves = 0.03;
  /// A rule that is left out on purpose, to see that it is missed: "", "budget", "admission",
  /// "memory" (of guards, over a restart), "report".
  std::string without;
};

struct SimulationCounts {
  std::uint64_t events = 0;
  std::uint64_t findings = 0;
  std::uint64_t restarts = 0;
  std::uint64_t moves = 0;  ///< that arrived
  std::uint64_t moves_failed = 0;
  std::uint64_t moves_refused = 0;  ///< by the target's admission: what the planner saw was old
  std::uint64_t health_moves = 0;   ///< started by health
  std::uint64_t drains = 0;
  std::uint64_t drained_jobs = 0;  ///< told by drains, whatever became of them
  std::uint64_t drained_moved = 0;
  std::size_t health_moves_at_once = 0;  ///< the most on one host
  std::vector<double> row_plan_ms;       ///< real time of planning a drain over 10,000 devices
};

/// A discrete simulation of a fleet under drains, alert storms, agents that restart and jobs that
/// come and go. Who goes where is decided by place(), whether a target takes it by admit(), what is
/// done about findings by health::DecisionEngine with its guards: the agent's own parts. Only
/// times, links and failures are made up. The same options give the same events. One thread.
class Simulation {
 public:
  explicit Simulation(SimulationOptions options);

  void run();
  [[nodiscard]] const SimulationCounts& counts() const { return counts_; }
  [[nodiscard]] const Fleet& fleet() const { return fleet_; }

 private:
  enum class What : std::uint8_t {
    finding,
    storm,
    alert,
    alert_over,
    plan,
    choose,
    reach,
    end,
    drain,
    row_drain,
    drain_looks,
    host_back,
    repaired,
    restart,
    job_ends,
    victim_ends
  };
  struct Event {
    Ms at = 0;
    std::uint64_t number = 0;
    What what = What::plan;
    std::size_t a = 0;
    std::size_t b = 0;
    bool operator>(const Event& other) const {
      return std::tie(at, number) > std::tie(other.at, other.number);
    }
  };
  /// A migration, or the wish for one.
  struct Moving {
    std::size_t job = 0;
    std::size_t to = 0;
    std::size_t host = 0;  ///< that it leaves
    std::optional<health::Move> health;
    std::optional<std::size_t> drain;
    bool reserved = false;
    bool over = false;
  };
  struct DrainJob {
    std::size_t job = 0;
    std::optional<std::size_t> moving;  ///< index into moving_
    std::size_t tries = 0;
    std::vector<std::string> avoid;
    std::string result;  ///< empty: not yet
    std::string note;
  };
  struct DrainRun {
    std::size_t host = 0;
    std::size_t first = 0;  ///< hosts that it may move to
    std::size_t count = 0;
    bool row = false;
    bool over = false;
    Ms began = 0;
    Ms looks_at = 0;
    std::vector<DrainJob> jobs;
  };

  void at(Ms time, What what, std::size_t a = 0, std::size_t b = 0);
  void handle(const Event& event);
  std::size_t below(std::size_t limit) { return random_() % limit; }
  bool chance(double share) { return static_cast<double>(random_() % 1'000'000) < share * 1e6; }
  Ms about(Ms mean) { return 1 + static_cast<Ms>(below(static_cast<std::size_t>(2 * mean))); }
  std::uint64_t some_bytes();

  // jobs and moves
  void fill();
  void end_a_job();
  void start_a_job();
  std::optional<std::size_t> begin(Moving moving);
  void reach(std::size_t index);
  void end(std::size_t index);
  void settled(std::size_t index, bool moved, const std::string& why);

  // health
  [[nodiscard]] health::Policy policy() const;
  void engine_for(std::size_t host);
  void some_finding();
  void observe(std::size_t host, health::Finding finding);
  void storm();
  void alert(std::size_t host, std::size_t which, bool firing);
  void look(std::size_t host);
  void plan(std::size_t host);
  void check_move(std::size_t host, const health::Move& move);
  void choose(std::size_t host, std::size_t which);
  void health_ended(std::size_t host, const health::Move& move, bool moved);
  void repaired(std::size_t host);
  void restart(std::size_t host);

  // drains
  void drain(std::size_t host, std::size_t first, std::size_t count, bool row);
  void drain_looks(std::size_t index);
  void drain_refresh(DrainRun& run);
  void drain_starts(std::size_t index);
  void drain_over(DrainRun& run);
  std::vector<PlacementDevice> drain_targets(const DrainRun& run) const;
  void drain_job_ended(std::size_t index, const Moving& moving, bool moved, const std::string& why);

  SimulationOptions options_;
  Fleet fleet_;
  std::mt19937_64 random_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::uint64_t next_number_ = 0;
  Ms now_ = 1'700'000'000'000;
  Ms until_ = 0;
  std::vector<Moving> moving_;
  std::vector<health::Move> wishes_;  ///< of engines, on their way to choose()
  std::vector<DrainRun> drains_;
  std::set<std::string> victims_;  ///< uids of jobs whose own memory is lost
  SimulationCounts counts_;
};

}  // namespace cardswap::bench
