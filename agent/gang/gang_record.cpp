#include "agent/gang/gang_record.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
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
  a("from", m.from);
  a("started_at_ms", m.started_at_ms);
  a.known("ended_at_ms", m.ended_at_ms);
  a.known("downtime_ms", m.downtime_ms);
  a.known("clock_error_ms", m.clock_error_ms);
}

namespace {

json::object written(const GangRecord& m) {
  json::array history;
  for (const auto& [state, at] : m.history) {
    history.push_back(json::object{{"state", state}, {"at_ms", at}});
  }
  json::object all;
  put_fields(all, m);
  json::object progress;
  put_fields(progress, m.stats);
  all["progress"] = std::move(progress);
  all["error"] = m.error ? http::to_json(*m.error) : json::value(nullptr);
  all["history"] = std::move(history);
  return all;
}

void put_cost_of(json::object& to, const GangRecord& m, std::uint32_t rank) {
  if (rank >= m.cost.ranks.size()) return;
  const auto lost = m.cost.lost(rank, m.downtime_ms).summary;
  to["stall_ms"] = lost ? json::value(lost->stall_ms) : json::value(nullptr);
  to["lost_ms"] = lost ? json::value(lost->lost_ms) : json::value(nullptr);
  to["history"] = states_json(m.cost.ranks[rank].states);
  if (m.side.ranks[rank].part == Part::leaves) {
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
    }
    put_cost_of(one, m, static_cast<std::uint32_t>(rank));
    ranks.push_back(std::move(one));
  }
  return ranks;
}

}  // namespace

json::object to_json(const GangRecord& m, const GangView& view) {
  auto all = written(m);
  all["role"] = "source";
  all["state"] = to_string(m.state());
  all["epoch"] = m.side.epoch;
  all["own_epoch"] = m.side.own_epoch;
  const auto& content = m.side.ranks.at(m.leaver).content;
  const bool decided = content.state_digest != Digest{};
  all["migrated_at_step"] = decided ? json::value(content.step) : json::value(nullptr);
  all["root"] = decided ? json::value(to_string(content.state_digest)) : json::value(nullptr);
  all["held"] = false;
  all["job_ended"] = false;
  all["process"] = nullptr;
  all["warning"] = nullptr;
  all["rank"] = m.leaver;
  all["world_size"] = m.side.ranks.size();
  all["ranks"] = ranks_json(m, view);
  put_lost(all, m.cost.lost(m.downtime_ms));
  all["communicator"] = communicator_json(m.cost);
  const auto end = m.ended_at_ms == 0 ? unix_ms() : m.ended_at_ms;
  all["progress"].as_object()["total_time_ms"] = static_cast<double>(end - m.started_at_ms);
  return all;
}

json::object timeline_json(const GangRecord& m, const Timeline& samples) {
  const bool moved = m.downtime_ms > 0;
  const auto known = [&](double ms) { return moved ? json::value(ms) : json::value(nullptr); };
  const auto& s = m.stats;
  return {{"migration", m.id},
          {"version", m.version},
          {"started_at_ms", m.started_at_ms},
          {"interval_ms", samples.interval_ms()},
          {"samples", cardswap::to_json(samples)},
          {"downtime",
           {{"predicted_ms", nullptr},
            {"measured_ms", known(m.downtime_ms)},
            {"clock_error_ms", known(m.clock_error_ms)},
            {"hold_ms", s.log_wait_ms},
            {"scan_ms", s.freeze_scan_ms},
            {"send_ms", s.freeze_send_ms},
            {"verify_ms", s.freeze_verify_ms},
            {"transferred", s.bytes_in_downtime}}}};
}

json::object to_journal(const GangRecord& m) {
  auto record = written(m);
  record["job_name"] = m.job;
  record["leaver"] = m.leaver;
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
  m.leaver = recorded_number<std::uint32_t>(from, "leaver");
  m.side = gang_from_journal(object_at(from, "side"));
  const auto* rendezvous = value_at(from, "rendezvous");
  if (rendezvous != nullptr && rendezvous->is_string()) m.rendezvous = rendezvous->get_string();
  for (const auto& agent : array_at(from, "agents")) {
    if (agent.is_string()) m.agents.emplace_back(agent.get_string());
  }
  if (m.agents.size() != m.side.ranks.size() || m.leaver >= m.side.ranks.size() ||
      m.side.ranks[m.leaver].part != Part::leaves) {
    throw Error(Code::corrupt, "the record of a gang has other ranks than agents");
  }
  m.cost = gang_cost_from_journal(object_at(from, "cost"));
  read_fields(object_at(from, "progress"), m.stats);
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

}  // namespace cardswap::gang
