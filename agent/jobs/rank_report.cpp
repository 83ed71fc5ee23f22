#include "agent/jobs/rank_report.h"

#include <algorithm>
#include <vector>

#include "agent/base/validate.h"
#include "agent/jobs/job_list.h"
#include "agent/jobs/runtime_report.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

RankProcess* find(Instance& instance, std::uint32_t rank) {
  const auto found = instance.ranks.find(rank);
  return found == instance.ranks.end() ? nullptr : &found->second;
}

bool is_attached(const Instance& instance) {
  return std::ranges::any_of(instance.ranks, [](const auto& one) { return one.second.attached; });
}

/// Whether all ranks that are here wait for the agent: one that has left waits longer than others.
bool is_frozen(const Instance& instance) {
  const auto waits = [](const auto& one) {
    return one.second.frozen || !one.second.moved_to.empty();
  };
  return !instance.ranks.empty() && std::ranges::all_of(instance.ranks, waits);
}

/// The instance's own figures: all bytes, and the step of the slowest rank that is still here.
void sum_up(Instance& instance) {
  std::uint64_t bytes = 0;
  std::uint64_t step = validate::kStepMax;
  double median_step_ms = 0;
  for (const auto& [rank, one] : instance.ranks) {
    if (!one.moved_to.empty()) continue;
    bytes = std::min(bytes + one.state_bytes, validate::kBytesMax);
    step = std::min(step, one.step);
    median_step_ms = std::max(median_step_ms, one.median_step_ms);
  }
  JobList::note(instance, [&](InstanceRecord& record) { record.state_bytes = bytes; });
  if (step != validate::kStepMax) note_step(instance, step, median_step_ms);
}

}  // namespace

void note_rank_attached(Instance& instance, const channel::Hello& hello, const ProcessId& process) {
  auto& one = instance.ranks[hello.rank];
  JobList::note(instance, [&](InstanceRecord& record) { record.moved_ranks.erase(hello.rank); });
  one.process = process;
  one.attached = true;
  one.frozen = hello.frozen;
  one.epoch = std::min(hello.epoch, validate::kEpochMax);
  one.network = hello.network;
  one.framework = as_utf8(hello.framework);
  one.moved_to.clear();
  instance.frozen = is_frozen(instance);
  note_attached(instance, &hello);
}

void note_rank_detached(Instance& instance, std::uint32_t rank) {
  if (auto* one = find(instance, rank)) one->attached = false;
  if (!is_attached(instance)) note_detached(instance);
}

void note_rank_message(Instance& instance, std::uint32_t rank, const channel::Message& message) {
  auto* one = find(instance, rank);
  if (one == nullptr) return;
  if (const auto* tracked = std::get_if<channel::Tracked>(&message)) {
    one->state_bytes = std::min(tracked->state_bytes, validate::kBytesMax);
    one->obstacles = tracked->obstacles;
    one->reported = true;
    instance.reported = true;
    instance.obstacles = tracked->obstacles;
  } else if (const auto* stepped = std::get_if<channel::Stepped>(&message)) {
    one->step = std::min(stepped->step, validate::kStepMax);
    one->median_step_ms = std::max(stepped->median_step_ms, 0.0);
  } else if (const auto* place = std::get_if<channel::RankPlace>(&message)) {
    const bool is_whole = place->rank == rank && place->agents.size() == place->ranks &&
                          place->ranks == instance.job().world_size;
    if (is_whole) one->agents = place->agents;
    return;
  } else if (const auto* parked = std::get_if<channel::Parked>(&message)) {
    one->state_bytes = std::min(parked->state_bytes, validate::kBytesMax);
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    one->step = std::min(resumed->step, validate::kStepMax);
  } else {
    return;
  }
  sum_up(instance);
}

void note_rank_frozen(Instance& instance, std::uint32_t rank, bool frozen) {
  if (auto* one = find(instance, rank)) one->frozen = frozen;
  instance.frozen = is_frozen(instance);
}

void note_other_ranks(Instance& instance, std::uint32_t rank) {
  if (auto* one = find(instance, rank)) one->agents.clear();
}

void note_rank_moved(Instance& instance, std::uint32_t rank, const std::string& to) {
  if (auto* one = find(instance, rank)) {
    one->moved_to = to;
    one->frozen = false;
    const bool is_launched = one->process.pid != instance.program().pid;
    JobList::note(instance, [&](InstanceRecord& record) {
      record.moved_ranks[rank] = to;
      record.keeps_places = record.keeps_places || is_launched;
    });
  }
  instance.frozen = is_frozen(instance);
}

void note_rank_place(Instance& instance, std::uint32_t rank, const std::string& place) {
  JobList::note(instance, [&](InstanceRecord& record) { record.moved_ranks[rank] = place; });
}

std::string places_of_ranks(const Instance& instance) {
  std::vector<std::string> places;
  std::string all;
  for (const auto& [rank, one] : instance.ranks) {
    if (one.moved_to.empty() || std::ranges::find(places, one.moved_to) != places.end()) continue;
    all += (places.empty() ? "" : ",") + one.moved_to;
    places.push_back(one.moved_to);
  }
  return all;
}

}  // namespace cardswap
