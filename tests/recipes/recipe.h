#pragma once

// What the guide's recipes share and do not show: options, a log of losses that can be compared bit
// for bit, and a session that leaves one line out, to see that it is missed.

#include <cardswap/torch.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace recipes {

struct Options {
  std::string recipe;
  std::string loss_log;
  std::string finish;  ///< the run ends at the next step once this file is there
  std::string forget;  ///< the tracked thing whose line is left out
  std::uint64_t steps = 100;
  int step_ms = 0;

  void add_to(CLI::App& app);
};

/// Tracks everything but one thing, as an author who forgot it.
class Session : public cardswap::Session {
 public:
  explicit Session(std::string forget)
      : cardswap::Session(cardswap::Session::open()), forget_(std::move(forget)) {}

  template <class T>
  void track(std::string_view name, T& thing) {
    if (name != forget_) cardswap::Session::track(name, thing);
  }
  template <class Save, class Load>
  void track(std::string_view name, Save save, Load load) {
    if (name != forget_) cardswap::Session::track(name, std::move(save), std::move(load));
  }
  void track_state(std::string_view name, std::unique_ptr<cardswap::TrackedState> state) {
    if (name != forget_) cardswap::Session::track_state(name, std::move(state));
  }
  void after_step(std::string_view name, std::function<void()> hook,
                  std::vector<std::string> rewrites) {
    std::erase(rewrites, forget_);
    cardswap::Session::after_step(name, std::move(hook), std::move(rewrites));
  }

 private:
  friend void track_rng(Session& session);
  std::string forget_;
};
inline void track_rng(Session& session) {
  if (session.forget_ != "rng") cardswap::track_rng(session);
}

class Run {
 public:
  explicit Run(const Options& options)
      : session(options.forget), steps(options.steps), options_(options) {}

  /// What every recipe tracks besides its own; `step` is the last of them.
  template <class Model, class Optimizer>
  void track_basics(Model& model, Optimizer& optimizer) {
    session.track("model", model);
    session.track("optimizer", optimizer);
    session.track("step", step);
    track_rng(session);
  }
  /// Logs, keeps the pace and looks whether this is to be the last step.
  void log(double loss);
  void pace();
  /// After the loop.
  int finished();
  [[nodiscard]] const std::string& loss_log() const { return options_.loss_log; }

  Session session;
  std::uint64_t steps;
  std::uint64_t step = 0;

 private:
  const Options& options_;
};

using Recipe = int (*)(Run&);

int loose_tensors(Run& run);
int generators(Run& run);
int schedules(Run& run);
int own_type(Run& run);
int loader(Run& run);
int logging(Run& run);
int accumulation(Run& run);
int average(Run& run);
int two_optimizers(Run& run);
int masters(Run& run);
int growing_groups(Run& run);
int lbfgs(Run& run);

}  // namespace recipes
