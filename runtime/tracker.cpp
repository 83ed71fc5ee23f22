#include "runtime/tracker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <typeinfo>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_writer.h"
#include "migrator/device/device.h"
#include "runtime/error_context.h"
#include "runtime/value_block.h"

namespace cardswap {

void Tracker::add(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing,
                  std::string type) {
  if (name.empty()) throw Error(Code::bad_request, "a tracked thing needs a name");
  if (name.find('/') != std::string_view::npos) {  // which separates it from its regions' names
    throw Error(Code::bad_request, fmt::format("'{}' cannot be a name: it has a '/'", name),
                "put another character there, such as a dot");
  }
  for (const auto& entry : entries_) {
    if (entry.name == name) {
      throw Error(Code::bad_request, fmt::format("'{}' is tracked already", name),
                  "give every tracked thing a name of its own");
    }
  }
  if (type.empty()) type = typeid(*state).name();
  entries_.push_back({std::string(name), std::move(state), thing, std::move(type)});
}

void Tracker::add_parts(const void* thing, const std::vector<std::string>& names) {
  for (const auto& name : names) (void)storages_of(name);
  in_parts_.push_back(thing);
}

bool Tracker::is_tracked(const void* thing) const {
  const auto has = [thing](const TrackedEntry& entry) {
    auto* optimizer = entry.state->replayable();
    return entry.thing == thing || (optimizer != nullptr && optimizer->is(thing));
  };
  return std::ranges::any_of(entries_, has) || std::ranges::count(in_parts_, thing) != 0;
}

std::vector<const void*> Tracker::storages_of(std::string_view name) const {
  for (const auto& entry : entries_) {
    if (entry.name != name) continue;
    std::vector<TrackedRegion> regions;
    entry.state->regions(regions);
    std::vector<const void*> storages;
    for (const auto& region : regions) storages.push_back(region.storage);
    return storages;
  }
  throw Error(Code::bad_request, fmt::format("nothing is tracked as '{}'", name),
              "track it before the hook that rewrites it");
}

std::vector<TrackedRegion> Tracker::regions(bool with_scratch) {
  std::vector<TrackedRegion> all;
  std::set<const void*> seen;
  std::vector<TrackedRegion> some;
  const auto take = [&](const TrackedEntry& entry) {
    for (auto& region : some) {
      if (region.storage != nullptr && !seen.insert(region.storage).second) continue;
      if (!region.device) region.device = shared_cpu_device();
      region.name =
          region.name.empty() ? entry.name : fmt::format("{}/{}", entry.name, region.name);
      all.push_back(std::move(region));
    }
    some.clear();
  };
  for (const auto& entry : entries_) {
    with_name(entry.name, [&] { entry.state->regions(some); });
    take(entry);
  }
  if (!with_scratch) return all;
  for (const auto& entry : entries_) {
    with_name(entry.name, [&] { entry.state->scratch(some); });
    take(entry);
  }
  return all;
}

StateView Tracker::state_view() { return collect(true); }

StateView Tracker::collect(bool with_gradients) {
  StateView result;
  std::vector<Region> layout;
  auto all = regions(false);
  for (const auto& entry : entries_) {
    auto* gradients = with_gradients ? entry.state->gradients() : nullptr;
    if (gradients == nullptr) continue;
    const auto first = all.size();
    as_error(entry.name, Code::refused,
             "drop it before the boundary, or move the process itself with --arrive criu",
             [&] { gradients->regions(all); });
    for (auto i = first; i < all.size(); ++i) {
      if (!all[i].device) all[i].device = shared_cpu_device();
      all[i].name = fmt::format("{}/{}", entry.name, all[i].name);
    }
  }
  for (auto& region : all) {
    layout.push_back({std::move(region.name), std::move(region.dtype), std::move(region.shape),
                      region.memory.size()});
    result.memory.push_back(region.memory);
    result.keep_alive.push_back(std::move(region.keep_alive));
    result.devices.push_back(std::move(region.device));
  }
  result.fence = fence_of(result.devices);
  if (Layout now(std::move(layout)); !(now == layout_)) layout_ = now;
  result.layout = layout_;
  return result;
}

StateView Tracker::adopt(const Layout& wanted) {
  std::map<std::string_view, std::vector<std::string>> names;
  for (const auto& region : wanted.regions()) {
    const auto slash = region.name.find('/');
    if (slash == std::string::npos) continue;
    names[std::string_view(region.name).substr(0, slash)].push_back(region.name.substr(slash + 1));
  }
  for (const auto& entry : entries_) {
    as_layout_error(entry.name, [&] {
      entry.state->adopt(names[entry.name]);
      if (auto* gradients = entry.state->gradients()) gradients->adopt(names[entry.name]);
    });
  }
  return state_view();
}

void Tracker::before_step(const void* optimizer, std::span<const void* const> tensors) {
  for (const auto& entry : entries_) {
    auto* replayable = entry.state->replayable();
    if (replayable != nullptr && replayable->is(optimizer)) replayable->before_step();
    if (auto* gradients = entry.state->gradients()) gradients->before_step(tensors);
  }
}
void Tracker::on_boundary(bool all_gradients) {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) gradients->on_boundary(all_gradients);
  }
}
void Tracker::keep_unused_gradients() {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) gradients->keep_unused();
  }
}
void Tracker::on_arrived() {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) gradients->on_arrived();
  }
}

std::vector<Shard> Tracker::shards() { return optimizers().shards(regions(false)); }

Digest Tracker::digest() {
  const auto now = collect(false);
  wire::WireWriter writer;
  writer.digest(now.layout.digest()).digest(digest_of(save_values_without_gradients(entries_)));
  std::vector<MemoryRange> ranges;
  for (std::size_t i = 0; i < now.memory.size(); ++i) {
    ranges.push_back(range_of(now, static_cast<RegionId>(i)));
  }
  std::vector<Digest> digests(ranges.size());
  digest_ranges(ranges, digests, now.fence);
  for (const auto& digest : digests) writer.digest(digest);
  return digest_of(writer.bytes());
}

}  // namespace cardswap
