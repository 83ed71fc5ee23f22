#include "agent/handover/source/migration_plan.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "agent/handover/source/process_needs.h"
#include "agent/handover/source/wanted_reservation.h"
#include "agent/jobs/obstacles.h"
#include "migrator/plan/planner.h"

namespace cardswap {

namespace json = boost::json;

std::string another_device(const Migration& m) {
  return fmt::format("--to another device; `cardswap devices {}` lists them",
                     parse_destination(m.spec().to).agent().text());
}

namespace {

/// One strategy's line. A dry run does not read the job's state: how much of it a step changes is
/// not known, so what `rounds` leave to send is the most that they can, and the least is nothing.
json::object line_of(const Prediction& p, const CorrectedPrediction& late,
                     const Measurements& measured, double max_stall_ms) {
  auto unchanged = measured;
  unchanged.dirty_bytes = 0;
  const bool usable = p.transferred > 0;
  const bool at_most = p.strategy == Strategy::rounds;
  const bool perhaps = at_most && !p.fits && expected_downtime_ms(unchanged) <= max_stall_ms;
  return {{"strategy", to_string(p.strategy)},
          {"usable", usable},
          {"total_time_ms", p.total_time_ms},
          {"downtime_ms", p.downtime_ms},
          {"predicted_stall_ms", late.corrected.stall_ms},
          {"predicted_lost_ms", late.corrected.lost_ms},
          {"predicted_stall_raw_ms", late.raw.stall_ms},
          {"predicted_lost_raw_ms", late.raw.lost_ms},
          {"predicted_from_moves", late.moves},
          {"transferred", p.transferred},
          {"at_most", at_most},
          {"fits", p.fits},
          {"may_fit", usable && (p.fits || perhaps)},
          {"reason", !at_most || p.fits
                         ? p.reason
                         : fmt::format("would stop the job for up to {:.0f} ms, {:.0f} ms are "
                                       "allowed",
                                       p.stall_ms, max_stall_ms)}};
}

/// What earlier migrations measured: the link to that host, this job's replay. Says where from.
std::string recall(const MigrationList& list, const Migration& planned, Measurements& measured) {
  const auto host = parse_destination(planned.spec().to).host;
  std::string from = "assumed";
  for (const auto& earlier : list.all()) {
    for (const auto& transfer : earlier.transfers) {
      if (transfer.record().stats.rate == 0) continue;
      // Under a cap it was the cap that was measured.
      if (earlier.spec().bandwidth == 0 &&
          is_same_host(parse_destination(transfer.record().to).host, host)) {
        measured.link_rate = static_cast<double>(transfer.record().stats.rate);
        from = "measured by " + earlier.id();
      }
      // One that went by rounds measured no replay.
      if (earlier.record().job_uid == planned.record().job_uid &&
          transfer.record().stats.replay_ms > 0) {
        measured.replay_ms = transfer.record().stats.replay_ms;
      }
    }
  }
  const auto cap = static_cast<double>(planned.spec().bandwidth);
  if (cap > 0 && (measured.link_rate == 0 || cap < measured.link_rate)) {
    measured.link_rate = cap;
    from = "the cap";
  }
  return from;
}

/// The obstacles to it, here and at the target.
struct Blocked {
  json::array reasons;
  Code code = Code::refused;
  std::string hint;
};

/// `instance`: the process that would move.
asio::awaitable<Blocked> find_blocks(std::shared_ptr<const Migration> planned, std::string instance,
                                     PlanContext context) {
  const auto& m = *planned;
  const auto& source = context.agent.jobs.at(instance);  // until the first wait
  Blocked blocked;
  auto wanted = wanted_reservation(m, m.only(), source, context.agent.config);
  wanted.dry_run = true;
  for (const auto& reason : reasons_of(source.obstacles, m.spec().arrive)) {
    blocked.reasons.emplace_back(reason);
  }
  if (m.spec().arrive == ArrivalMode::criu) {
    const auto examined = co_await examine_process(context.agent, instance);
    for (const auto& reason : examined.reasons) blocked.reasons.emplace_back(reason);
    wanted.process = criu::to_json(examined.needs);
  }
  try {
    auto agent = http::Endpoint::tcp(parse_destination(m.only().record().to).agent());
    const auto offer = co_await context.targets.reserve(std::move(agent), std::move(wanted));
    for (const auto& reason : offer.blocked_reasons) blocked.reasons.emplace_back(reason);
    if (!offer.accepted) {
      blocked.code = offer.code;
      blocked.hint = offer.hint.empty() ? another_device(m) : offer.hint;
    }
  } catch (const Error& error) {
    blocked.reasons.emplace_back(error.failure());
    blocked.code = error.code();
    blocked.hint = error.hint();
  }
  co_return blocked;
}

}  // namespace

asio::awaitable<json::object> plan_migration(MigrationRequest wanted, PlanContext context) {
  const auto& source = context.factory.require_movable(wanted.spec);
  const auto planned =
      std::make_shared<const Migration>(context.factory.make(std::move(wanted), source));
  const auto& m = *planned;
  Measurements measured;
  measured.state_bytes = source.record().state_bytes;
  measured.replayed_bytes = source.record().replayed_bytes;
  measured.update_bytes = source.record().update_bytes;
  measured.step_ms = source.median_step_ms;
  const auto rate_from = recall(context.list, m, measured);
  const bool by_criu = m.spec().arrive == ArrivalMode::criu;
  const auto when =
      m.spec().strategy == Strategy::replay ? FreezeWhen::base_is_whole : FreezeWhen::it_pays;
  const auto predicted = predict(measured, m.spec().max_stall_ms, when);
  auto chosen = m.spec().strategy;
  if (chosen == Strategy::automatic) {
    chosen = by_criu ? Strategy::rounds : choose(predicted);
  }
  bool fits = false;
  json::array predictions;
  for (const auto& p : predicted) {
    if (by_criu && p.strategy == Strategy::replay) continue;  // a holder has no program to replay
    const bool asked_for =
        m.spec().strategy == Strategy::automatic || m.spec().strategy == p.strategy;
    fits = fits || (asked_for && p.fits);
    const auto late = context.book.corrected(m.record(), m.only().record(), to_string(p.strategy),
                                             {p.stall_ms, p.lost_ms});
    predictions.push_back(line_of(p, late, measured, m.spec().max_stall_ms));
  }
  auto whole = why_it_moves_whole(source.obstacles);
  if (whole.empty() && source.record().init.pid != 0) whole = "its process came here by CRIU";
  const auto blocked = co_await find_blocks(planned, source.id(), context);
  const bool allowed = blocked.reasons.empty();
  co_return json::object{
      {"job", m.spec().job},
      {"to", m.spec().to},
      {"allowed", allowed},
      {"fits", fits},
      {"code", allowed ? json::value(nullptr) : json::value(to_string(blocked.code))},
      {"hint", blocked.hint},
      {"blocked_reasons", blocked.reasons},
      {"max_stall_ms", m.spec().max_stall_ms},
      {"max_downtime_ms", m.spec().max_stall_ms},
      {"state_bytes", measured.state_bytes},
      {"step_ms", measured.step_ms},
      {"update_bytes", measured.update_bytes},
      {"link_rate", measured.link_rate},
      {"link_rate_from", rate_from},
      {"strategy", to_string(chosen)},
      {"arrive", to_string(m.spec().arrive)},
      {"arrive_why", by_criu ? whole : std::string()},
      {"predictions", predictions}};
}

}  // namespace cardswap
