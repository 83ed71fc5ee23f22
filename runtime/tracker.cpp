#include "runtime/tracker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <typeinfo>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "migrator/device/device.h"

namespace cardswap {
namespace {

constexpr std::size_t kEntryBytesMin = 2 * sizeof(std::uint32_t);

/// The name of the thing that it comes from, in front of what a foreign exception says.
template <class Do>
void do_under_name(const std::string& name, Do something, Code code = Code::layout_differs,
                   const char* hint = "both sides must run the same program") {
  try {
    something();
  } catch (const std::exception& error) {
    throw Error(code, fmt::format("'{}': {}", name, error.what()), hint);
  }
}

/// The same for what a program's own state does when it is looked at: its mistake, not a defect. An
/// Error keeps its code and hint.
template <class Look>
void under_name(const std::string& name, Look look) {
  try {
    look();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", name, error.failure()), error.hint());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(Code::refused, fmt::format("'{}': {}", name, error.what()));
  }
}

CapturedGradient captured(ParameterId parameter, TrackedGradient gradient) {
  return {parameter, gradient.memory, std::move(gradient.keep_alive),
          gradient.device ? std::move(gradient.device) : shared_cpu_device()};
}

}  // namespace

void Tracker::add(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing,
                  std::string type) {
  if (name.empty()) throw Error(Code::bad_request, "a tracked thing needs a name");
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
  const auto has = [thing](const Entry& entry) {
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
  const auto take = [&](const Entry& entry) {
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
    under_name(entry.name, [&] { entry.state->regions(some); });
    take(entry);
  }
  if (!with_scratch) return all;
  for (const auto& entry : entries_) {
    under_name(entry.name, [&] { entry.state->scratch(some); });
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
    do_under_name(
        entry.name, [&] { gradients->regions(all); }, Code::refused,
        "drop it before the boundary, or move the process itself with --arrive criu");
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
    do_under_name(entry.name, [&] {
      entry.state->adopt(names[entry.name]);
      if (auto* gradients = entry.state->gradients()) gradients->adopt(names[entry.name]);
    });
  }
  return state_view();
}

std::vector<std::byte> Tracker::save() { return values(true); }

std::vector<std::byte> Tracker::values(bool with_gradients) {
  wire::WireWriter writer;
  writer.u32(static_cast<std::uint32_t>(entries_.size()));
  for (const auto& entry : entries_) {
    std::vector<std::byte> value;
    under_name(entry.name, [&] { value = entry.state->save(); });
    if (with_gradients && value.size() > kValueBytesMax) {
      throw Error(Code::refused,
                  fmt::format("'{}' saves {} bytes, a value may have {}", entry.name, value.size(),
                              kValueBytesMax),
                  "track the memory itself, with session.track_memory or as a tensor");
    }
    writer.string(entry.name).blob(value);
  }
  if (!with_gradients) return std::move(writer).take();
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) writer.blob(gradients->save());
  }
  return std::move(writer).take();
}

void Tracker::load_gradients(wire::WireReader& reader) {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) {
      do_under_name(entry.name, [&] { gradients->load(reader.blob(kValueBytesMax)); });
    }
  }
}

void Tracker::stepping(const void* optimizer, std::span<const void* const> tensors) {
  for (const auto& entry : entries_) {
    auto* replayable = entry.state->replayable();
    if (replayable != nullptr && replayable->is(optimizer)) replayable->noticed();
    if (auto* gradients = entry.state->gradients()) gradients->stepping(tensors);
  }
}
void Tracker::passing(bool all_gradients) {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) gradients->passing(all_gradients);
  }
}
void Tracker::keep_unused_gradients() {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) gradients->keep_unused();
  }
}
void Tracker::arrived() {
  for (const auto& entry : entries_) {
    if (auto* gradients = entry.state->gradients()) gradients->arrived();
  }
}

void Tracker::load(std::span<const std::byte> block) {
  wire::WireReader reader(block);
  if (reader.count(kEntryBytesMin) != entries_.size()) {
    throw Error(Code::layout_differs, "the two sides track a different number of things",
                "both sides must run the same program with the same arguments");
  }
  std::vector<std::pair<TrackedState*, std::span<const std::byte>>> last;
  for (const auto& entry : entries_) {
    const auto name = reader.string();
    if (name != entry.name) {
      throw Error(
          Code::layout_differs,
          fmt::format("the source tracks '{}' where this side tracks '{}'", name, entry.name),
          "both sides must track the same things in the same order");
    }
    const auto bytes = reader.blob(kValueBytesMax);
    if (entry.state->loads_last()) {
      last.emplace_back(entry.state.get(), bytes);
      continue;
    }
    do_under_name(name, [&] { entry.state->load(bytes); });
  }
  load_gradients(reader);
  reader.finish();
  for (const auto& [state, bytes] : last) state->load(bytes);
}

std::vector<std::string> Tracker::differing_values(std::span<const std::byte> one,
                                                   std::span<const std::byte> other) {
  wire::WireReader here(one);
  wire::WireReader there(other);
  const auto count = here.count(kEntryBytesMin);
  if (there.count(kEntryBytesMin) != count) {
    throw Error(Code::layout_differs, "the two sides track a different number of things");
  }
  std::vector<std::string> differ;
  for (std::size_t i = 0; i < count; ++i) {
    auto name = here.string();
    if (there.string() != name) {
      throw Error(Code::layout_differs, "the two sides track other things");
    }
    const auto mine = here.blob(kValueBytesMax);
    if (!std::ranges::equal(mine, there.blob(kValueBytesMax))) differ.push_back(std::move(name));
  }
  return differ;
}

std::vector<Shard> Tracker::shards() {
  std::map<const void*, RegionId> region_of;
  const auto all = regions(false);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].storage != nullptr) region_of[all[i].storage] = static_cast<RegionId>(i);
  }
  std::vector<Shard> shards;
  std::uint32_t parameter = 0;
  for (const auto& entry : entries_) {
    auto* optimizer = entry.state->replayable();
    if (optimizer == nullptr) continue;
    for (const auto& storages : optimizer->rewritten()) {
      Shard shard{static_cast<ParameterId>(parameter++), {}, optimizer->has_gradients()};
      for (const auto* storage : storages) {
        if (const auto found = region_of.find(storage); found != region_of.end()) {
          shard.regions.push_back(found->second);
        }
      }
      if (!shard.regions.empty()) shards.push_back(std::move(shard));
    }
  }
  return shards;
}

template <class Is>
std::optional<Tracker::ReplaySlot> Tracker::find_replayable(Is is) const {
  ReplaySlot slot;
  for (const auto& entry : entries_) {
    slot.optimizer = entry.state->replayable();
    if (slot.optimizer == nullptr) continue;
    slot.parameters = static_cast<std::uint32_t>(slot.optimizer->parameter_count());
    if (is(slot)) return slot;
    slot.first_parameter += slot.parameters;
    ++slot.index;
  }
  return std::nullopt;
}

void Tracker::give_early(const GradientSink& sink) {
  std::uint32_t first_parameter = 0;
  for (const auto& entry : entries_) {
    auto* optimizer = entry.state->replayable();
    if (optimizer == nullptr) continue;
    const auto first = first_parameter;
    first_parameter += static_cast<std::uint32_t>(optimizer->parameter_count());
    if (!sink) {
      optimizer->give_early({});
      continue;
    }
    optimizer->give_early([sink, first](std::uint32_t parameter, std::uint64_t bytes,
                                        const std::function<TrackedGradient()>& copy) {
      const auto id = static_cast<ParameterId>(first + parameter);
      sink(id, bytes, [&] { return captured(id, copy()); });
    });
  }
}

std::optional<UpdateEntry> Tracker::capture(const void* optimizer) {
  const auto slot =
      find_replayable([&](const ReplaySlot& at) { return at.optimizer->is(optimizer); });
  if (!slot) return std::nullopt;
  UpdateEntry result;
  result.optimizer = slot->index;
  auto update = slot->optimizer->capture();
  result.options = std::move(update.options);
  std::vector<std::shared_ptr<Device>> devices;
  for (auto& gradient : update.gradients) {
    const auto id = static_cast<ParameterId>(slot->first_parameter + gradient.parameter);
    devices.push_back(result.gradients.emplace_back(captured(id, std::move(gradient))).device);
  }
  result.fence = fence_of(devices);
  return result;
}

void Tracker::replay(const ReceivedUpdate& received) {
  if (received.gradients.empty()) return;
  const auto slot =
      find_replayable([&](const ReplaySlot& at) { return at.index == received.optimizer; });
  if (!slot) {
    throw Error(Code::bad_request, "an update of an optimizer that is not tracked here");
  }
  TrackedUpdate update{received.options, {}};
  for (const auto& gradient : received.gradients) {
    const auto parameter = static_cast<std::uint32_t>(gradient.parameter);
    if (parameter < slot->first_parameter ||
        parameter - slot->first_parameter >= slot->parameters) {
      throw Error(Code::bad_request, "an update of a parameter that this optimizer has not");
    }
    update.gradients.push_back(
        {parameter - slot->first_parameter, gradient.memory.bytes, gradient.memory.owner});
  }
  slot->optimizer->replay(update);
}

Digest Tracker::digest() {
  const auto now = collect(false);
  wire::WireWriter writer;
  writer.digest(now.layout.digest()).digest(digest_of(values(false)));
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
