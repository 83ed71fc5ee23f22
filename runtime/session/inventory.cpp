#include "runtime/session/inventory.h"

#include <cxxabi.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <set>

#include "cardswap/values.h"
#include "migrator/base/error.h"
#include "migrator/device/device.h"
#include "runtime/value_block.h"

namespace cardswap {
namespace {

constexpr std::size_t kParametersTold = 4;

/// The type's name as it is written in C++.
std::string type_name(const std::string& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 && name ? std::string(name.get()) : type;
}

/// The text of an exception of the program.
std::string said_by(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception without a text";
  }
}

std::string mib(std::size_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1U << 20U));
}

}  // namespace

bool Inventory::before_step(const void* optimizer, Describe describe, std::uint64_t step) {
  for (auto& known : stepped_) {
    if (known.address != optimizer) continue;
    known.step = step;
    known.describe = describe;
    return false;
  }
  stepped_.push_back({optimizer, describe, step, {}});
  return true;
}

void Inventory::describe_stepped(std::uint64_t step) {
  for (auto& stepped : stepped_) {
    if (stepped.step != step) continue;
    try {
      stepped.known = stepped.describe(stepped.address);
      stepped.failure.clear();
    } catch (...) {  // an exception of the program is an obstacle, and does not end the loop
      stepped.failure = said_by(std::current_exception());
    }
  }
}

std::vector<channel::Obstacle> Inventory::obstacles(std::uint64_t step) {
  std::vector<channel::Obstacle> found;
  const auto& entries = tracker_.entries();
  if (tracked_first_ == 0) tracked_first_ = entries.size();
  for (std::size_t i = tracked_first_; i < entries.size(); ++i) {
    found.push_back({fmt::format("'{}' was tracked after the first boundary", entries[i].name),
                     "track everything before the loop: a standby has only what is tracked then",
                     false});
  }
  describe_stepped(step);
  inspect_stepped(found);
  bool grows = false;
  for (const auto& entry : entries) {
    std::vector<TrackedObstacle> of_it;
    try {
      grows = grows || dynamic_cast<const TrackedGrowth*>(entry.state.get()) != nullptr;
      // An optimizer that is tracked after a TrackedGrowth may grow: its look() would refuse that.
      if (!grows || entry.state->kind() != "optimizer") entry.state->look(of_it);
    } catch (...) {
      of_it.push_back({said_by(std::current_exception()), ""});
    }
    for (auto& [what, hint] : of_it) {
      found.push_back({fmt::format("{} '{}': {}", entry.state->kind(), entry.name, what),
                       std::move(hint), false});
    }
  }
  inspect_values(found);
  try {
    (void)tracker_.state_view();
  } catch (...) {
    const auto error = error_of(std::current_exception());
    found.push_back({error.failure(), error.hint(), false});
  }
  if (found.size() > channel::kObstaclesMax) {
    const auto more = found.size() - channel::kObstaclesMax + 1;
    found.resize(channel::kObstaclesMax - 1);
    found.push_back({fmt::format("and {} more", more), "", false});
  }
  return found;
}

void Inventory::inspect_stepped(std::vector<channel::Obstacle>& found) {
  for (const auto& stepped : stepped_) {
    for (auto& obstacle : obstacles_of(stepped)) found.push_back(std::move(obstacle));
  }
}

std::vector<channel::Obstacle> Inventory::obstacles_of(const Stepped& stepped) const {
  if (!stepped.failure.empty()) {
    return {{"an optimizer does not say what it steps: " + stepped.failure, "", false}};
  }
  if (stepped.known.type.empty()) return {};  // none of its steps led to a boundary with a check
  const auto type = type_name(stepped.known.type);
  std::vector<channel::Obstacle> found;
  if (!tracker_.is_tracked(stepped.address)) {
    found.push_back({fmt::format("optimizer of type {} is stepped but not tracked", type),
                     "session.track(\"optimizer\", optimizer) before the first boundary, or "
                     "session.track_parts for one whose state is tracked in parts",
                     false});
  }
  std::set<const void*> storages;
  for (const auto& entry : tracker_.entries()) {
    std::vector<TrackedRegion> regions;
    try {
      entry.state->regions(regions);
    } catch (const std::exception&) {
      continue;  // obstacles() reports it when it reads the whole state
    }
    for (const auto& region : regions) storages.insert(region.storage);
  }
  std::vector<std::string> untracked;
  for (const auto& parameter : stepped.known.parameters) {
    if (storages.contains(parameter.storage)) continue;
    untracked.push_back(fmt::format("parameter {} of group {}", parameter.index, parameter.group));
  }
  if (untracked.empty()) return found;
  const auto count = untracked.size();
  untracked.resize(std::min(count, kParametersTold));
  found.push_back(
      {fmt::format("optimizer of type {} steps {} parameter{} that no tracked thing has: {}{}",
                   type, count, count == 1 ? "" : "s", fmt::join(untracked, ", "),
                   count > kParametersTold ? ", ..." : ""),
       "session.track the module that has it, or the tensor itself, before the first boundary",
       false});
  return found;
}

void Inventory::inspect_values(std::vector<channel::Obstacle>& found) {
  std::size_t sum = 0;
  for (const auto& entry : tracker_.entries()) {
    std::vector<std::byte> once;
    try {
      once = entry.state->save();
      if (entry.state->save() != once) {
        found.push_back({fmt::format("'{}' saves other bytes each time it is asked", entry.name),
                         "equal states must give equal bytes: leave out times, addresses and the "
                         "order of unordered containers",
                         true});
        continue;
      }
    } catch (...) {
      found.push_back(
          {fmt::format("'{}' cannot be saved: {}", entry.name, said_by(std::current_exception())),
           "its save() must not throw at a boundary", true});
      continue;
    }
    if (once.size() > kValueBytesMax) {
      found.push_back({fmt::format("'{}' saves {}, a value may have {}", entry.name,
                                   mib(once.size()), mib(kValueBytesMax)),
                       "track the memory itself, with session.track_memory or as a tensor", false});
    }
    sum += once.size();
    auto& first = first_[entry.name];
    std::uint64_t version = 0;
    std::vector<TrackedRegion> regions;
    try {
      entry.state->regions(regions);
    } catch (const std::exception&) {
      regions.clear();
    }
    for (const auto& region : regions) version += region.version;
    const auto digest = digest_of(once);
    if (first.version == 0) {
      first = {digest, version + 1, false};
    } else if (!(first.value == digest) || first.version != version + 1) {
      first.changed = true;
    }
  }
  if (sum > kValuesBytesMax) {
    found.push_back(
        {fmt::format("values of {} in all are saved, {} may be", mib(sum), mib(kValuesBytesMax)),
         "track the memory itself, with session.track_memory or as tensors", false});
  }
}

std::vector<const void*> Inventory::replayed() const {
  std::set<const void*> storages;
  for (const auto& entry : tracker_.entries()) {
    auto* optimizer = entry.state->replayable();
    if (optimizer == nullptr) continue;
    const bool is_stepped =
        !optimizer->has_gradients() || std::ranges::any_of(stepped_, [&](const Stepped& stepped) {
          return optimizer->is(stepped.address);
        });
    if (!is_stepped) continue;
    try {
      for (const auto& of_one : optimizer->rewritten()) {
        storages.insert(of_one.begin(), of_one.end());
      }
    } catch (...) {
      continue;  // rewritten() failed: the reason is among the obstacles
    }
  }
  return {storages.begin(), storages.end()};
}

channel::StateItem Inventory::item_of(const TrackedEntry& entry,
                                      const std::vector<const void*>& replayed) {
  channel::StateItem item;
  item.name = entry.name;
  item.type = type_name(entry.type);
  std::vector<TrackedRegion> regions;
  entry.state->regions(regions);
  std::uint64_t by_replay = 0;
  bool is_counted = true;
  std::set<const void*> seen;  // what several tensors share counts once
  const auto one_or = [](std::string& known, const std::string& now) {
    known = known.empty() || known == now ? now : "mixed";
  };
  for (const auto& region : regions) {
    if (region.memory.empty()) continue;
    if (region.storage != nullptr && !seen.insert(region.storage).second) continue;
    ++item.tensors;
    item.bytes += region.memory.size();
    one_or(item.dtype, region.dtype);
    one_or(item.device, region.device ? region.device->info().name : "cpu");
    if (std::ranges::binary_search(replayed, region.storage)) by_replay += region.memory.size();
    is_counted = is_counted && region.version != 0;
  }
  const auto value = entry.state->save();
  item.kind = entry.state->kind();
  if (item.kind.empty()) item.kind = item.tensors != 0 ? "memory" : "value";
  if (item.tensors != 0) {
    item.moves = by_replay == item.bytes ? "replayed"
                 : by_replay == 0        ? "rounds"
                                         : "replayed in part";
  } else if (!value.empty()) {
    item.bytes = value.size();
    item.moves = "value";
  }
  const auto first = first_.find(entry.name);
  if (first != first_.end() && is_counted) item.changed = first->second.changed ? "yes" : "no";
  return item;
}

std::vector<channel::StateItem> Inventory::list(const std::vector<channel::Obstacle>& in_the_way) {
  std::vector<channel::StateItem> items;
  const auto by_replay = replayed();
  for (const auto& entry : tracker_.entries()) {
    try {
      items.push_back(item_of(entry, by_replay));
      if (items.back().changed == "no") items.back().note = "unchanged since the first boundary";
    } catch (...) {
      channel::StateItem item;
      item.name = entry.name;
      item.kind = entry.state->kind();
      item.note = said_by(std::current_exception());
      items.push_back(std::move(item));
    }
    auto* gradients = entry.state->gradients();
    if (gradients == nullptr) continue;
    std::vector<TrackedRegion> kept;
    try {
      gradients->regions(kept);
    } catch (const std::exception&) {
      continue;  // it is among the obstacles
    }
    if (kept.empty()) continue;
    channel::StateItem item;
    item.name = "gradients of " + entry.name;
    item.kind = "gradients";
    item.tensors = kept.size();
    for (const auto& region : kept) item.bytes += region.memory.size();
    item.moves = "rounds";
    item.note = "they live from step to step";
    items.push_back(std::move(item));
  }
  for (const auto& obstacle : in_the_way) {
    channel::StateItem item;
    item.name = obstacle.what;
    item.kind = "obstacle";
    item.tracked = false;
    item.note = obstacle.hint;
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace cardswap
