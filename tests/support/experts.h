#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/engine/source/context/state_window.h"
#include "migrator/engine/source/replay/update_log.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"

namespace cardswap::test {

using Bytes = std::vector<std::byte>;
using Chosen = std::set<std::size_t>;

/// Parameters, and an optimizer's state for those of them that have had a gradient. One thread at a
/// time.
class Experts {
 public:
  Experts(const std::vector<std::size_t>& sizes, unsigned seed) {
    for (const auto size : sizes) {
      auto& value = *parameters_.emplace_back(std::make_shared<Bytes>(size));
      for (std::size_t i = 0; i < size; ++i) value[i] = static_cast<std::byte>(i * seed + i / 999);
    }
    states_.resize(sizes.size());
  }

  [[nodiscard]] StateView view() const {
    StateView result;
    std::vector<Region> layout;
    std::vector<Shard> shards;
    const auto add = [&](std::string name, const std::shared_ptr<Bytes>& bytes) {
      layout.push_back({std::move(name), "Float", "", bytes->size()});
      result.memory.emplace_back(*bytes);
      result.devices.push_back(shared_cpu_device());
      result.keep_alive.push_back(bytes);
    };
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      add("model/" + std::to_string(i), parameters_[i]);
    }
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!states_[i]) continue;
      shards.push_back({static_cast<ParameterId>(i),
                        {static_cast<RegionId>(i), static_cast<RegionId>(layout.size())}});
      add("optimizer/" + std::to_string(i), states_[i]);
    }
    result.layout = Layout(std::move(layout));
    result.shards = std::make_shared<const std::vector<Shard>>(std::move(shards));
    return result;
  }
  /// The optimizer's options: a byte for each parameter, whether it has a state.
  [[nodiscard]] Bytes options() const {
    Bytes result;
    for (const auto& state : states_) result.push_back(std::byte{state != nullptr});
    return result;
  }
  /// Drops the states that `options` do not have.
  void load(std::span<const std::byte> options) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (options[i] == std::byte{0}) states_[i].reset();
    }
  }
  void update(std::size_t expert, std::span<const std::byte> gradient) {
    auto& value = *parameters_[expert];
    auto& state = states_[expert];
    if (!state) state = std::make_shared<Bytes>(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      (*state)[i] = static_cast<std::byte>(std::to_integer<int>((*state)[i]) * 3 +
                                           std::to_integer<int>(gradient[i]));
      value[i] ^= (*state)[i];
    }
  }
  /// Makes the states equal in number and name to the regions of `wanted`; new ones are zero.
  void adopt(const Layout& wanted) {
    std::set<std::string> names;
    for (const auto& region : wanted.regions()) names.insert(region.name);
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!names.contains("optimizer/" + std::to_string(i))) {
        states_[i].reset();
      } else if (!states_[i]) {
        states_[i] = std::make_shared<Bytes>(parameters_[i]->size());
      }
    }
  }
  void drop_state(std::size_t expert) { states_[expert].reset(); }
  [[nodiscard]] std::size_t bytes_of(std::size_t expert) const {
    return parameters_[expert]->size();
  }

 private:
  std::vector<std::shared_ptr<Bytes>> parameters_;
  std::vector<std::shared_ptr<Bytes>> states_;
};

/// The source's program. take_step() is called by the test's thread, the rest by the engine's.
class Trainer final : public SourceProgram {
 public:
  explicit Trainer(Experts& experts) : experts_(experts), latest_(experts.view()) {}

  StateView state_view() override {
    ++views_taken;
    const MutexLock lock(mutex_);
    return latest_;
  }
  std::uint64_t step() override { return step_; }
  double median_step_ms() override { return step_ms; }
  bool begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) override {
    const MutexLock lock(mutex_);
    log_ = std::move(log);
    window_ = std::move(window);
    return true;
  }

  /// Takes one step with gradients of the `chosen` parameters. `last`: it waits until they were
  /// sent, as a runtime does before the step that freezes.
  void take_step(const Chosen& chosen, bool last = false) {
    std::shared_ptr<UpdateLog> log;
    std::shared_ptr<StateWindow> window;
    {
      const MutexLock lock(mutex_);
      log = log_;
      window = window_;
    }
    std::map<std::size_t, std::shared_ptr<Bytes>> made;
    for (const auto expert : chosen) {
      auto gradient = std::make_shared<Bytes>(experts_.bytes_of(expert));
      for (std::size_t i = 0; i < gradient->size(); ++i) {
        (*gradient)[i] = static_cast<std::byte>(i * (step_ + 3) + expert);
      }
      made[expert] = gradient;
    }
    if (log && in_backward) in_backward(*log, step_ + 1, made);
    UpdateEntry entry;
    entry.step = step_ + 1;
    entry.options = experts_.options();
    for (const auto& [expert, gradient] : made) {
      entry.gradients.push_back({static_cast<ParameterId>(expert), *gradient, gradient});
    }
    const auto gradients = entry.gradients;
    if (log) {
      log->append(std::move(entry));
      if (last || log->holds_each_step()) log->wait_until_sent(step_ + 1);
      window->close();
    }
    for (const auto& gradient : gradients) {
      experts_.update(static_cast<std::size_t>(gradient.parameter), gradient.bytes);
    }
    const MutexLock lock(mutex_);
    latest_ = experts_.view();
    latest_.step = ++step_;
    if (!log) return;
    window->open(step_);
    log->end_step(step_);
  }

  std::atomic<std::uint64_t> views_taken{0};
  /// What median_step_ms() returns.
  std::atomic<double> step_ms{1};
  /// Called when a step's gradients are there, before its entry is appended; may change them.
  std::function<void(UpdateLog& log, std::uint64_t step,
                     std::map<std::size_t, std::shared_ptr<Bytes>>& gradients)>
      in_backward;

 private:
  Experts& experts_;
  Mutex mutex_;
  StateView latest_ CARDSWAP_GUARDED_BY(mutex_);
  std::shared_ptr<UpdateLog> log_ CARDSWAP_GUARDED_BY(mutex_);
  std::shared_ptr<StateWindow> window_ CARDSWAP_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> step_{0};
};

/// The target's program; replays into `experts`.
class Standby final : public TargetProgram {
 public:
  explicit Standby(Experts& experts) : experts_(experts) {}
  StateView adopt(const Layout& wanted) override {
    experts_.adopt(wanted);
    ++adopted;
    return experts_.view();
  }
  Bytes apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }
  void replay(const ReceivedUpdate& update) override {
    if (update.gradients.empty()) return;
    experts_.load(update.options);
    for (const auto& gradient : update.gradients) {
      const auto expert = static_cast<std::size_t>(gradient.parameter);
      experts_.update(expert, gradient.memory.bytes);
      ++replayed.at(expert);
    }
  }
  std::array<std::atomic<int>, 16> replayed{};
  std::atomic<int> adopted = 0;

 private:
  Experts& experts_;
};

}  // namespace cardswap::test
