#include "agent/gang/gang_cost.h"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/gang/content_fields.h"

namespace cardswap::gang {

namespace json = boost::json;

namespace {

constexpr std::size_t kStatesMax = 64;
constexpr double kTookMsMax = 1e9;  // a program may make its runtime report any number

void add(StateTimes& to, std::string_view state, std::int64_t at_ms) {
  if (to.size() >= kStatesMax || (!to.empty() && to.back().first == state)) return;
  to.emplace_back(state, at_ms);
}

StateTimes states_from(const json::array& from) {
  StateTimes states;
  for (const auto& item : from) {
    if (!item.is_object()) continue;
    add(states, text_at(item.get_object(), "state"),
        recorded_number<std::int64_t>(item.get_object(), "at_ms"));
  }
  return states;
}

/// Raises `to` to what one rank says; whether that changed it.
bool raise(double& to, double said) {
  const auto most = std::max(to, std::clamp(said, 0.0, kTookMsMax));
  return std::exchange(to, most) != most;
}

}  // namespace

bool GangCost::note(std::uint32_t rank, const RankCost& cost) {
  if (rank >= ranks.size()) return false;
  bool changed = cost.late && ranks[rank].lost.merge(*cost.late);
  if (const auto& took = cost.communicator) {
    changed = raise(build_ms, took->build_ms) || changed;
    changed = raise(try_ms, took->try_ms) || changed;
    changed = raise(exchange_ms, took->exchange_ms) || changed;
  }
  return changed;
}

bool GangCost::note(std::uint32_t rank, const FirstStepsReport& steps) {
  return rank < ranks.size() && ranks[rank].lost.merge(steps);
}

void GangCost::note_state(std::uint32_t rank, std::string_view state, std::int64_t at_ms) {
  if (rank < ranks.size()) add(ranks[rank].states, state, at_ms);
}
void GangCost::note_newcomer(std::uint32_t rank, std::string_view state, std::int64_t at_ms) {
  if (rank < ranks.size()) add(ranks[rank].newcomer, state, at_ms);
}

void GangCost::end(std::uint32_t rank, const std::string& why) {
  if (!is_over(rank)) ranks[rank].lost.end(why);
}

bool GangCost::is_over(std::uint32_t rank) const {
  return rank >= ranks.size() || ranks[rank].lost.over;
}

bool GangCost::is_over() const {
  return std::ranges::all_of(ranks, [](const OfRank& one) { return one.lost.over; });
}

double GangCost::step_ms() const {
  double most = 0;
  for (const auto& one : ranks) most = std::max(most, one.lost.lateness.pace().step_ms);
  return most;
}

LostTimeView GangCost::lost(double downtime_ms) const {
  std::vector<LostTimeView> views;
  for (const auto& one : ranks) views.push_back(view_of(one.lost, downtime_ms));
  return view_of_all(views);
}

LostTimeView GangCost::lost(std::uint32_t rank, double downtime_ms) const {
  return rank < ranks.size() ? view_of(ranks[rank].lost, downtime_ms) : LostTimeView{};
}

json::value communicator_json(const GangCost& cost) {
  if (cost.build_ms <= 0 && cost.try_ms <= 0 && cost.exchange_ms <= 0) return nullptr;
  json::object took;
  JsonFieldWriter out(took);
  took_fields(out, cost);
  return took;
}

json::array states_json(const StateTimes& states) {
  json::array all;
  for (const auto& [state, at_ms] : states) {
    all.push_back(json::object{{"state", state}, {"at_ms", at_ms}});
  }
  return all;
}

json::object to_journal(const GangCost& cost) {
  json::object record;
  JsonFieldWriter out(record);
  took_fields(out, cost);
  json::array ranks;
  for (const auto& one : cost.ranks) {
    ranks.push_back(json::object{{"lost", to_journal(one.lost)},
                                 {"states", states_json(one.states)},
                                 {"newcomer", states_json(one.newcomer)}});
  }
  record["ranks"] = std::move(ranks);
  return record;
}

GangCost gang_cost_from_journal(const json::object& record) {
  GangCost cost;
  JsonFieldReader in(record);
  took_fields(in, cost);
  for (const auto& item : array_at(record, "ranks")) {
    if (!item.is_object()) continue;
    const auto& one = item.get_object();
    cost.ranks.push_back({lost_time_from_journal(object_at(one, "lost")),
                          states_from(array_at(one, "states")),
                          states_from(array_at(one, "newcomer"))});
  }
  return cost;
}

}  // namespace cardswap::gang
