#include "runtime/replayable_optimizers.h"

#include <map>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/device/device.h"
#include "migrator/engine/state_view.h"

namespace cardswap {
namespace {

CapturedGradient captured(ParameterId parameter, TrackedGradient gradient) {
  return {parameter, gradient.memory, std::move(gradient.keep_alive),
          gradient.device ? std::move(gradient.device) : shared_cpu_device()};
}

}  // namespace

std::vector<Shard> ReplayableOptimizers::shards(std::span<const TrackedRegion> regions) const {
  std::map<const void*, RegionId> region_of;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (regions[i].storage != nullptr) region_of[regions[i].storage] = static_cast<RegionId>(i);
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
std::optional<ReplayableOptimizers::Slot> ReplayableOptimizers::find(Is is) const {
  Slot slot;
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

void ReplayableOptimizers::give_early(const GradientSink& sink) const {
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

std::optional<UpdateEntry> ReplayableOptimizers::capture(const void* optimizer) const {
  const auto slot = find([&](const Slot& at) { return at.optimizer->is(optimizer); });
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

void ReplayableOptimizers::replay(const ReceivedUpdate& received) const {
  if (received.gradients.empty()) return;
  const auto slot = find([&](const Slot& at) { return at.index == received.optimizer; });
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

}  // namespace cardswap
