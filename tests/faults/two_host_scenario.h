#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/faults/cases.h"
#include "tests/faults/small_disk.h"
#include "tests/support/hosts.h"
#include "tests/support/leftovers.h"

namespace cardswap::test {

/// What a scenario needs beyond two agents.
struct ScenarioNeeds {
  bool arena = false;  ///< a job whose process can be moved by CRIU
  bool ignores_moved = false;
  bool link = false;         ///< two network namespaces
  bool source_disk = false;  ///< a small one below the source agent's data
  bool target_disk = false;
};

/// Two hosts and one job whose trainer writes each step that it takes, by which the invariants are
/// judged: a step that two processes took, or none, is in that file twice, or missing.
class TwoHostScenario {
 public:
  explicit TwoHostScenario(const ScenarioNeeds& needs);

  void start_job(bool standby_waits);
  /// The number of losses that were written.
  [[nodiscard]] std::size_t steps() const;
  /// The trainer takes a further step, by its own word.
  [[nodiscard]] bool steps_again_within(std::chrono::milliseconds limit) const;
  /// From `from` on, the longest time without the start of a step, the time before the first
  /// included; ms.
  [[nodiscard]] double longest_pause_ms(std::chrono::steady_clock::time_point from) const;

  /// While the gate is closed, the standby waits before its program starts.
  void open_standby_gate() const;
  /// Makes trainers wait before their next step, or lets them go on.
  void hold_trainers() const;
  void let_trainers_go() const;

  /// Ends the job after its current step, at the host that has it, and compares every step that was
  /// logged with those of an undisturbed run, the digest of the whole state at its end included.
  void expect_undisturbed_end(const Host& owner) const;
  /// The same of a job that was killed: no end, so no digest.
  void expect_undisturbed_start() const;

  TempDir dir;
  NothingOutlives guard{dir.path()};
  std::unique_ptr<NetnsPair> net;
  std::unique_ptr<SmallDisk> a_disk, b_disk;
  std::unique_ptr<Host> a, b;

 private:
  [[nodiscard]] std::vector<std::string> program(const std::string& steps) const;
  [[nodiscard]] std::filesystem::path file(const char* name) const { return dir.path() / name; }

  bool arena_ = false;
  bool ignores_moved_ = false;
};

/// A state of a migration as the agent of a host tells it; empty when it does not answer.
[[nodiscard]] std::string state_of(const Host& host, const std::string& migration);

}  // namespace cardswap::test
