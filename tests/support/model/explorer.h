#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/model/big_table.h"

/// A search through every state of a small world. A search over a `World` calls these functions,
/// found beside `World` and `Options`: `first_world(options)`,
/// `for_each_next(world, options, nexts)`, `broken_invariant(world)` (a text, or null) and
/// `is_settled(world)`; and beside its `Step`, which has a `fault`: `to_string(step)`.
namespace cardswap::model {

/// The result of a search: how large the world is, and what in it is wrong.
struct Found {
  std::size_t states = 0;
  std::size_t steps = 0;  ///< between states
  std::uint32_t depth = 0;
  /// Of the first broken state: the shortest way to it, one step a line; empty when none is.
  std::string violation;
  std::size_t violations = 0;
  std::size_t unsettled = 0;  ///< states from which no settled one can be reached without faults
};

/// The numbers of the worlds that follow on each without a fault, world by world.
class Ways {
 public:
  void begin() { first_.push_back(static_cast<std::uint32_t>(to_.size())); }
  void add(std::uint32_t to) { to_.push_back(to); }

  /// From which worlds a settled one is reached. States are mostly found before those that follow
  /// on them, so going from the last to the first needs few passes.
  [[nodiscard]] std::vector<bool> can_settle(const auto& worlds) const {
    std::vector<bool> settles(worlds.size());
    for (std::size_t i = 0; i < worlds.size(); ++i) settles[i] = is_settled(worlds[i].world);
    for (bool changed = true; changed;) {
      changed = false;
      auto end = to_.size();
      for (auto at = first_.size(); at-- > 0; end = first_[at]) {
        if (settles[at]) continue;
        for (std::size_t i = first_[at]; i < end && !settles[at]; ++i) {
          if (settles[to_[i]]) changed = settles[at] = true;
        }
      }
    }
    return settles;
  }

 private:
  Blocks<std::uint32_t> first_;
  Blocks<std::uint32_t> to_;
};

[[nodiscard]] std::string way_to(std::uint32_t state, const auto& worlds) {
  std::vector<std::string> lines;
  for (auto at = state; at != 0; at = worlds[at].parent) {
    lines.push_back(to_string(worlds[at].step));
  }
  std::string text;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    text += fmt::format("{:3} {}\n", line - lines.rbegin() + 1, *line);
  }
  return text;
}

template <class Known, class Options>
class Search {
 public:
  using World = typename Known::World;
  using Step = typename Known::Step;

  Search(const Options& options, bool stop_at_violation)
      : options_(options), stop_at_violation_(stop_at_violation) {
    const Known first{first_world(options), 0, {}};
    worlds_.add(first, Worlds<Known>::hash(first.world));
  }

  Found run() {
    std::uint32_t at = 0;
    while (at < worlds_.size() && !stopped_) {
      const auto end = static_cast<std::uint32_t>(worlds_.size());
      ++found_.depth;
      while (at < end && !stopped_) at = expand_some(at, end);
    }
    --found_.depth;
    found_.states = worlds_.size();
    if (!stop_at_violation_) count_unsettled();
    return std::move(found_);
  }

 private:
  /// What follows on as many worlds as fill a batch: the memory of all of it is fetched at a time.
  std::uint32_t expand_some(std::uint32_t at, std::uint32_t end) {
    constexpr std::size_t kBatch = 256;
    batch_.all.clear();
    const auto first = at;
    ends_.clear();
    for (; at < end && batch_.all.size() < kBatch && !stopped_; ++at) {
      expand(at);
      ends_.push_back(batch_.all.size());
    }
    hashes_.clear();
    for (const auto& next : batch_.all) {
      hashes_.push_back(Worlds<Known>::hash(next.world));
      worlds_.expect(hashes_.back());
    }
    for (const auto hash : hashes_) worlds_.expect_world(hash);
    std::size_t i = 0;
    for (auto from = first; from < at; ++from) {
      ways_.begin();
      for (; i < ends_[from - first]; ++i) {
        const auto number = worlds_.add(batch_.all[i], hashes_[i]).first;
        if (!batch_.all[i].step.fault && number != from) ways_.add(number);
      }
    }
    found_.steps += batch_.all.size();
    return at;
  }

  void expand(std::uint32_t at) {
    const auto& world = worlds_[at].world;
    const char* broken = broken_invariant(world);
    if (broken == nullptr) {
      batch_.parent = at;
      for_each_next(world, options_, batch_);
      return;  // what follows from a broken one says nothing new
    }
    if (found_.violations++ == 0) {
      found_.violation = fmt::format("{}\n{}", broken, way_to(at, worlds_));
    }
    stopped_ = stop_at_violation_;
  }

  void count_unsettled() {
    const auto settles = ways_.can_settle(worlds_);
    for (std::uint32_t at = 0; at < worlds_.size(); ++at) {
      if (settles[at] || broken_invariant(worlds_[at].world) != nullptr) continue;
      ++found_.unsettled;
      if (found_.violation.empty()) {
        found_.violation = "nothing settles this\n" + way_to(at, worlds_);
      }
    }
  }

  const Options& options_;
  const bool stop_at_violation_;
  bool stopped_ = false;
  Worlds<Known> worlds_;
  Ways ways_;
  Found found_;
  Nexts<World, Step> batch_;
  std::vector<std::size_t> ends_;
  std::vector<std::uint32_t> hashes_;
};

/// Breadth first through every state that can be reached; stops at the first violation if asked to.
template <class Step, class Options>
[[nodiscard]] Found explore(const Options& options, bool stop_at_violation = false) {
  using World = decltype(first_world(options));
  return Search<Known<World, Step>, Options>(options, stop_at_violation).run();
}

}  // namespace cardswap::model
