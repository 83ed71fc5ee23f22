// What a migration would do, without doing it: `migrate --dry-run`.

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/handover/answers.h"
#include "agent/handover/migrations.h"

namespace cardswap {

namespace json = boost::json;
using std::chrono::seconds;

/// What earlier migrations measured: the link to that host, this job's replay. Says where from.
std::string Migrations::recall(const Migration& planned, Measurements& measured) const {
  const auto host = parse_destination(planned.to).host;
  std::string from = "assumed";
  for (const auto& earlier : migrations_) {
    if (earlier.stats.rate == 0) continue;
    // Under a cap it was the cap that was measured.
    if (earlier.bandwidth == 0 && parse_destination(earlier.to).host == host) {
      measured.link_rate = static_cast<double>(earlier.stats.rate);
      from = "measured by " + earlier.id;
    }
    if (earlier.job_uid == planned.job_uid) measured.replay_ms = earlier.stats.replay_ms;
  }
  const auto cap = static_cast<double>(planned.bandwidth);
  if (cap > 0 && (measured.link_rate == 0 || cap < measured.link_rate)) {
    measured.link_rate = cap;
    from = "the cap";
  }
  return from;
}

asio::awaitable<json::object> Migrations::plan(ApiRequest request) {
  const auto name = request.text("job");
  auto* job = jobs_.find(name);
  if (job == nullptr || !job->live()) {
    throw Error(Code::not_found, fmt::format("there is no running job '{}' here", name),
                "`cardswap jobs` lists the jobs of this host");
  }
  const auto m = make(request, *job);
  Measurements measured;
  measured.state_bytes = job->state_bytes;
  measured.replayed_bytes = job->replayed_bytes;
  measured.update_bytes = job->update_bytes;
  measured.step_ms = job->median_step_ms;
  const auto rate_from = recall(m, measured);
  const bool by_criu = m.arrive == channel::Arrival::criu;
  json::array predictions;
  for (const auto& p : predict(measured, m.max_downtime_ms)) {
    if (by_criu && p.strategy == Strategy::replay) continue;  // a holder has no program to replay
    predictions.push_back(json::object{{"strategy", to_string(p.strategy)},
                                       {"total_time_ms", p.total_time_ms},
                                       {"downtime_ms", p.downtime_ms},
                                       {"transferred", p.transferred},
                                       {"fits", p.fits},
                                       {"reason", p.reason}});
  }
  auto chosen = m.strategy;
  if (chosen == Strategy::automatic) {
    chosen = by_criu ? Strategy::rounds : choose(predict(measured, m.max_downtime_ms));
  }
  json::object body{{"migration", m.id},
                    {"device", parse_destination(m.to).device},
                    {"state_bytes", job->state_bytes},
                    {"epoch", m.epoch},
                    {"from", m.from},
                    {"dry_run", true}};
  body["job"] = to_json(spec_of(*job));
  body["arrive"] = to_string(m.arrive);
  json::array blocked;
  if (by_criu) {
    auto examined = co_await examine(*job);
    for (const auto& reason : examined.reasons) blocked.emplace_back(reason);
    body["process"] = criu::to_json(examined.needs);
  }
  try {
    const auto answer =
        co_await ask(peer(m), "POST", "/v1/peer/reservations", std::move(body), seconds(10));
    for (const auto& reason : reasons_of(answer)) blocked.emplace_back(reason);
  } catch (const Error& error) {
    blocked.emplace_back(error.what());
  }
  co_return json::object{{"job", m.job},
                         {"to", m.to},
                         {"allowed", blocked.empty()},
                         {"blocked_reasons", blocked},
                         {"state_bytes", measured.state_bytes},
                         {"step_ms", measured.step_ms},
                         {"update_bytes", measured.update_bytes},
                         {"link_rate", measured.link_rate},
                         {"link_rate_from", rate_from},
                         {"strategy", to_string(chosen)},
                         {"arrive", to_string(m.arrive)},
                         {"predictions", predictions}};
}

}  // namespace cardswap
