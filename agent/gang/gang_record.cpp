#include "agent/gang/gang_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/base/state_digest_json.h"
#include "agent/base/units.h"
#include "agent/gang/records.h"
#include "agent/http/client.h"

namespace cardswap::gang {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, GangRecord>& m) {
  a("id", m.id);
  a("version", m.version);
  fields(a, m.spec);
  a.known("result", m.result);
  a("started_at_ms", m.started_at_ms);
  a.known("ended_at_ms", m.ended_at_ms);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RankMove>& m) {
  a("rank", m.rank);
  a("from", m.from);
  a("to", m.to);
  a.known("downtime_ms", m.downtime_ms);
  a.known("clock_error_ms", m.clock_error_ms);
}

namespace {

constexpr std::size_t kRankDigits = 8;

json::object progress_of(const MigrationStats& stats) {
  json::object progress;
  put_fields(progress, stats);
  return progress;
}

json::object to_json(const RankMove& m) {
  json::object move;
  put_fields(move, m);
  move["progress"] = progress_of(m.stats);
  return move;
}

RankMove move_from(const json::object& from) {
  RankMove m;
  read_fields(from, m);
  m.rank = recorded_number<std::uint32_t>(from, "rank");
  read_fields(object_at(from, "progress"), m.stats);
  return m;
}

double longest(const std::vector<RankMove>& moves, double RankMove::*time) {
  double most = 0;
  for (const auto& one : moves) most = std::max(most, one.*time);
  return most;
}

double clock_error_of_all(const GangRecord& m) {
  return longest(m.moves, &RankMove::clock_error_ms);
}

std::string joined_from(const std::vector<RankMove>& moves) {
  std::string all;
  for (const auto& one : moves) all += (all.empty() ? "" : ",") + one.from;
  return all;
}

json::object written(const GangRecord& m) {
  json::array history;
  for (const auto& [state, at] : m.history) {
    history.push_back(json::object{{"state", state}, {"at_ms", at}});
  }
  json::object all;
  put_fields(all, m);
  all["error"] = m.error ? http::to_json(*m.error) : json::value(nullptr);
  all["history"] = std::move(history);
  return all;
}

/// Whether there is one for each rank that leaves, in their order, and at least one.
bool are_those_that_leave(const std::vector<RankMove>& moves, const std::vector<GangRank>& ranks) {
  std::vector<std::uint32_t> leave;
  for (std::uint32_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank].part == Part::leaves) leave.push_back(rank);
  }
  return !moves.empty() &&
         std::ranges::equal(moves, leave, {}, [](const RankMove& move) { return move.rank; });
}

void put_cost_of(json::object& to, const GangRecord& m, std::uint32_t rank) {
  if (rank >= m.cost.ranks.size()) return;
  const bool leaves = m.side.ranks[rank].part == Part::leaves;
  const auto downtime_ms = leaves ? m.move_of(rank).downtime_ms : downtime_of_all(m);
  const auto lost = m.cost.lost(rank, downtime_ms).summary;
  to["stall_ms"] = lost ? json::value(lost->stall_ms) : json::value(nullptr);
  to["lost_ms"] = lost ? json::value(lost->lost_ms) : json::value(nullptr);
  to["history"] = states_json(m.cost.ranks[rank].states);
  if (leaves) {
    to["newcomer_history"] = states_json(m.cost.ranks[rank].newcomer);
  }
}

json::array ranks_json(const GangRecord& m, const GangView& view) {
  json::array ranks;
  for (std::size_t rank = 0; rank < m.side.ranks.size(); ++rank) {
    const auto part = m.side.ranks[rank].part;
    json::object one{{"rank", rank},
                     {"part", to_string(part)},
                     {"agent", rank < m.agents.size() ? m.agents[rank] : std::string()}};
    const bool heard = rank < view.heard.size();
    one["state"] = heard ? json::value(to_string(view.heard[rank].state)) : json::value(nullptr);
    if (part == Part::leaves) {
      one["newcomer"] =
          heard ? json::value(to_string(view.heard[rank].newcomer)) : json::value(nullptr);
      const auto& content = m.side.ranks[rank].content;
      put_state_digest(one, content.state_digest != Digest{}
                                ? json::value(to_string(content.state_digest))
                                : json::value(nullptr));
      auto move = to_json(m.move_of(static_cast<std::uint32_t>(rank)));
      for (auto& [name, value] : move) one[name] = std::move(value);
    }
    put_cost_of(one, m, static_cast<std::uint32_t>(rank));
    ranks.push_back(std::move(one));
  }
  return ranks;
}

}  // namespace

double downtime_of_all(const GangRecord& m) { return longest(m.moves, &RankMove::downtime_ms); }

MigrationStats stats_of_all(const GangRecord& m) {
  const auto& moves = m.moves;
  auto all = moves.at(0).stats;
  for (std::size_t i = 1; i < moves.size(); ++i) {
    const auto& one = moves[i].stats;
    all.phase = std::min(all.phase, one.phase);
    for (auto sum :
         {&MigrationStats::transferred, &MigrationStats::remaining, &MigrationStats::total,
          &MigrationStats::dirty_rate, &MigrationStats::rate, &MigrationStats::bytes_in_downtime}) {
      all.*sum += one.*sum;
    }
    for (auto longest : {&MigrationStats::expected_downtime_ms, &MigrationStats::setup_time_ms,
                         &MigrationStats::freeze_scan_ms, &MigrationStats::freeze_send_ms,
                         &MigrationStats::freeze_verify_ms, &MigrationStats::median_step_ms,
                         &MigrationStats::window_wait_ms, &MigrationStats::log_wait_ms}) {
      all.*longest = std::max(all.*longest, one.*longest);
    }
    all.rounds = std::max(all.rounds, one.rounds);
    all.freezes_put_off += one.freezes_put_off;
    if (all.strategy.empty()) all.strategy = one.strategy;
  }
  return all;
}

json::object to_json(const GangRecord& m, const GangView& view) {
  auto all = written(m);
  all["role"] = "source";
  all["state"] = to_string(m.state());
  all["epoch"] = m.side.epoch;
  all["own_epoch"] = m.side.own_epoch;
  const auto& first = m.moves.at(0);
  const auto& content = m.side.ranks.at(first.rank).content;
  const bool is_one = m.moves.size() == 1;
  const bool decided = content.state_digest != Digest{};
  const auto known = [](double ms) { return ms > 0 ? json::value(ms) : json::value(nullptr); };
  all["from"] = joined_from(m.moves);
  all["downtime_ms"] = known(downtime_of_all(m));
  all["clock_error_ms"] = known(clock_error_of_all(m));
  all["progress"] = progress_of(stats_of_all(m));
  all["migrated_at_step"] = decided ? json::value(content.step) : json::value(nullptr);
  put_state_digest(
      all, decided && is_one ? json::value(to_string(content.state_digest)) : json::value(nullptr));
  all["held"] = false;
  all["job_ended"] = false;
  all["process"] = nullptr;
  all["warning"] = nullptr;
  all["rank"] = is_one ? json::value(first.rank) : json::value(nullptr);
  all["world_size"] = m.side.ranks.size();
  all["ranks"] = ranks_json(m, view);
  put_lost(all, m.cost.lost(downtime_of_all(m)));
  all["communicator"] = communicator_json(m.cost);
  const auto end = m.ended_at_ms == 0 ? unix_ms() : m.ended_at_ms;
  all["progress"].as_object()["total_time_ms"] = static_cast<double>(end - m.started_at_ms);
  return all;
}

json::object timeline_json(const GangRecord& m, const Timeline& samples) {
  const auto downtime_ms = downtime_of_all(m);
  const bool moved = downtime_ms > 0;
  const auto known = [&](double ms) { return moved ? json::value(ms) : json::value(nullptr); };
  const auto s = stats_of_all(m);
  return {{"migration", m.id},
          {"version", m.version},
          {"started_at_ms", m.started_at_ms},
          {"interval_ms", samples.interval_ms()},
          {"samples", cardswap::to_json(samples)},
          {"downtime",
           {{"predicted_ms", nullptr},
            {"measured_ms", known(downtime_ms)},
            {"clock_error_ms", known(clock_error_of_all(m))},
            {"hold_ms", s.log_wait_ms},
            {"scan_ms", s.freeze_scan_ms},
            {"send_ms", s.freeze_send_ms},
            {"verify_ms", s.freeze_verify_ms},
            {"transferred", s.bytes_in_downtime}}}};
}

json::object to_journal(const GangRecord& m) {
  auto record = written(m);
  record["job_name"] = m.job;
  json::array moves;
  for (const auto& move : m.moves) moves.push_back(to_json(move));
  record["moves"] = std::move(moves);
  record["agents"] = json::array(m.agents.begin(), m.agents.end());
  record["rendezvous"] = m.rendezvous;
  record["side"] = to_journal(m.side);
  record["cost"] = to_journal(m.cost);
  return record;
}

GangRecord gang_record_from_journal(const json::object& from) {
  GangRecord m;
  read_fields(from, m);
  m.job = text_at(from, "job_name");
  m.side = gang_from_journal(object_at(from, "side"));
  const auto* rendezvous = value_at(from, "rendezvous");
  if (rendezvous != nullptr && rendezvous->is_string()) m.rendezvous = rendezvous->get_string();
  for (const auto& agent : array_at(from, "agents")) {
    if (agent.is_string()) m.agents.emplace_back(agent.get_string());
  }
  for (const auto& move : array_at(from, "moves")) {
    if (move.is_object()) m.moves.push_back(move_from(move.get_object()));
  }
  if (m.agents.size() != m.side.ranks.size() || !are_those_that_leave(m.moves, m.side.ranks)) {
    throw Error(Code::corrupt, "the record of a gang has other ranks than agents");
  }
  m.cost = gang_cost_from_journal(object_at(from, "cost"));
  const auto* error = value_at(from, "error");
  if (error != nullptr && error->is_object()) m.error = http::error_from_json(*error);
  for (const auto& item : array_at(from, "history")) {
    if (!item.is_object()) continue;
    m.history.emplace_back(text_at(item.get_object(), "state"),
                           recorded_number<std::int64_t>(item.get_object(), "at_ms"));
  }
  ++m.version;
  return m;
}

RankMove* GangRecord::find_move(std::uint32_t rank) {
  const auto found = std::ranges::find(moves, rank, &RankMove::rank);
  return found == moves.end() ? nullptr : &*found;
}

const RankMove& GangRecord::move_of(std::uint32_t rank) const {
  const auto found = std::ranges::find(moves, rank, &RankMove::rank);
  if (found != moves.end()) return *found;
  throw Error(Code::not_found, fmt::format("rank {} does not move in gang {}", rank, id));
}

std::string GangRecord::newcomer_id(std::uint32_t rank) const {
  return moves.size() == 1 ? id : fmt::format("{}{:0{}x}", id, rank, kRankDigits);
}

std::string gang_of_newcomer(const std::string& id) {
  return id.size() > kRankDigits ? id.substr(0, id.size() - kRankDigits) : std::string();
}

}  // namespace cardswap::gang
