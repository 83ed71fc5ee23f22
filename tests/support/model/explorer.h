#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

/// A search through every state of a small world. What is searched says what it is by functions
/// that stand beside its `World`: `first_world(options)`, `for_each_next(world, options, found)`,
/// `broken_invariant(world)` (a text, or null), `is_settled(world)`; and `to_string(step)` beside
/// its `Step`, which has a `fault`. Equal worlds are equal bytes.
namespace cardswap::model {

struct Found {
  std::size_t states = 0;
  std::size_t steps = 0;  ///< between states
  std::uint32_t depth = 0;
  /// Of the first broken state: the shortest way to it, one step a line; empty when none is.
  std::string violation;
  std::size_t violations = 0;
  std::size_t unsettled = 0;  ///< states from which no settled one can be reached without faults
};

/// Every world once, under a number, in the order in which it was found.
template <class World>
class Worlds {
  static_assert(std::has_unique_object_representations_v<World>);
  static constexpr std::uint32_t kNone = ~0U;

 public:
  Worlds() : table_(1U << 16, kNone) {}

  std::pair<std::uint32_t, bool> add(const World& world) {
    if (worlds_.size() * 2 > table_.size()) grow();
    auto& slot = find(world);
    if (slot != kNone) return {slot, false};
    slot = static_cast<std::uint32_t>(worlds_.size());
    worlds_.push_back(world);
    return {slot, true};
  }
  [[nodiscard]] const World& operator[](std::size_t i) const { return worlds_[i]; }
  [[nodiscard]] std::size_t size() const { return worlds_.size(); }

 private:
  static std::uint64_t hash(const World& world) {
    std::uint64_t result = 0x9e3779b97f4a7c15;
    std::array<std::uint64_t, (sizeof(World) + 7) / 8> words{};
    std::memcpy(words.data(), &world, sizeof(World));
    for (const auto word : words) {
      result = (result ^ word) * 0xff51afd7ed558ccd;
      result ^= result >> 32;
    }
    return result;
  }
  std::uint32_t& find(const World& world) {
    auto at = hash(world) & (table_.size() - 1);
    while (table_[at] != kNone && !(worlds_[table_[at]] == world)) {
      at = (at + 1) & (table_.size() - 1);
    }
    return table_[at];
  }
  void grow() {
    std::fill(table_.begin(), table_.end(), kNone);
    table_.resize(table_.size() * 2, kNone);
    for (std::size_t i = 0; i < worlds_.size(); ++i) {
      find(worlds_[i]) = static_cast<std::uint32_t>(i);
    }
  }

  std::vector<World> worlds_;
  std::vector<std::uint32_t> table_;
};

/// Between two worlds, by their numbers.
struct Edge {
  std::uint32_t from;
  std::uint32_t to;
};

template <class Step>
std::string way_to(std::uint32_t state, const std::vector<std::uint32_t>& parents,
                   const std::vector<Step>& steps) {
  std::vector<std::string> lines;
  for (auto at = state; at != 0; at = parents[at]) lines.push_back(to_string(steps[at]));
  std::string text;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    text += fmt::format("{:3} {}\n", line - lines.rbegin() + 1, *line);
  }
  return text;
}

template <class World>
std::vector<bool> can_settle(const Worlds<World>& worlds, const std::vector<Edge>& edges) {
  std::vector<std::uint32_t> first(worlds.size() + 1, 0);
  for (const auto& edge : edges) ++first[edge.to + 1];
  for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  std::vector<std::uint32_t> before(edges.size());
  auto next = first;
  for (const auto& edge : edges) before[next[edge.to]++] = edge.from;

  std::vector<bool> settles(worlds.size(), false);
  std::vector<std::uint32_t> queue;
  for (std::size_t i = 0; i < worlds.size(); ++i) {
    if (!is_settled(worlds[i])) continue;
    settles[i] = true;
    queue.push_back(static_cast<std::uint32_t>(i));
  }
  while (!queue.empty()) {
    const auto at = queue.back();
    queue.pop_back();
    for (auto i = first[at]; i < first[at + 1]; ++i) {
      if (settles[before[i]]) continue;
      settles[before[i]] = true;
      queue.push_back(before[i]);
    }
  }
  return settles;
}

/// Breadth first through every state that can be reached; stops at the first violation if asked to.
template <class Step, class Options>
[[nodiscard]] Found explore(const Options& options, bool stop_at_violation = false) {
  using World = decltype(first_world(options));
  Worlds<World> worlds;
  std::vector<std::uint32_t> parents{0};
  std::vector<Step> steps{Step{}};
  std::vector<std::uint32_t> depths{0};
  std::vector<Edge> without_fault;
  Found found;
  worlds.add(first_world(options));
  for (std::uint32_t at = 0; at < worlds.size(); ++at) {
    const World world = worlds[at];
    found.depth = depths[at];
    if (const char* broken = broken_invariant(world)) {
      if (found.violations++ == 0) {
        found.violation = fmt::format("{}\n{}", broken, way_to(at, parents, steps));
      }
      if (stop_at_violation) break;
      continue;  // what follows from it says nothing new
    }
    for_each_next(world, options, [&](const World& next, const Step& step) {
      ++found.steps;
      const auto [number, fresh] = worlds.add(next);
      if (fresh) {
        parents.push_back(at);
        steps.push_back(step);
        depths.push_back(depths[at] + 1);
      }
      if (!step.fault && number != at) without_fault.push_back({at, number});
    });
  }
  found.states = worlds.size();
  if (stop_at_violation) return found;
  const auto settles = can_settle(worlds, without_fault);
  for (std::uint32_t at = 0; at < worlds.size(); ++at) {
    if (settles[at] || broken_invariant(worlds[at]) != nullptr) continue;
    ++found.unsettled;
    if (found.violation.empty()) {
      found.violation = "nothing settles this\n" + way_to(at, parents, steps);
    }
  }
  return found;
}

}  // namespace cardswap::model
