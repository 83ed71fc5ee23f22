#include "agent/report/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/printable_fields.h"
#include "agent/base/units.h"
#include "agent/http/client.h"
#include "agent/report/findings.h"

namespace cardswap::report {
namespace {

namespace json = boost::json;

/// How many periods the rate is shown for: short enough to show a change, long enough for a mean.
constexpr double kRateIntervals = 120;
constexpr double kRateIntervalMinMs = 40;

std::vector<Span> states_of(const json::array& history, std::int64_t started, double total_ms) {
  std::vector<Span> result;
  for (const auto& item : history) {
    if (!item.is_object()) continue;
    const auto at = amount_at(item.get_object(), "at_ms") - static_cast<double>(started);
    const auto from = std::max(result.empty() ? 0 : result.back().from_ms, at);
    if (!result.empty()) result.back().to_ms = from;
    result.push_back({printable_at(item.get_object(), "state"), from, from});
  }
  if (!result.empty()) result.back().to_ms = std::max(result.back().from_ms, total_ms);
  return result;
}

/// The states of each rank and each newcomer, those that move first.
std::vector<Lane> lanes_of(const json::object& migration, std::int64_t started, double total_ms) {
  std::vector<Lane> moving;
  std::vector<Lane> staying;
  for (const auto& item : array_at(migration, "ranks")) {
    if (!item.is_object()) continue;
    const auto& one = item.get_object();
    const auto rank = fmt::format("Rank {}", count_at(one, "rank"));
    Lane lane{rank, states_of(array_at(one, "history"), started, total_ms)};
    for (auto& state : lane.states) {
      if (state.name == "parked") state.name = "frozen";  // at a step that is still proposed
    }
    const bool moves = printable_at(one, "part") == "leaves";
    (moves ? moving : staying).push_back(std::move(lane));
    if (!moves) continue;
    moving.push_back(
        {rank + ", new", states_of(array_at(one, "newcomer_history"), started, total_ms)});
  }
  moving.insert(moving.end(), staying.begin(), staying.end());
  return moving;
}

std::optional<Communicator> communicator_of(const json::object& migration) {
  const auto& took = object_at(migration, "communicator");
  if (took.empty()) return std::nullopt;
  return Communicator{amount_at(took, "build_ms"), amount_at(took, "try_ms"),
                      amount_at(took, "exchange_ms")};
}

std::optional<double> began(const std::vector<Span>& spans, std::string_view name) {
  const auto found = std::ranges::find(spans, name, &Span::name);
  return found == spans.end() ? std::nullopt : std::optional(found->from_ms);
}

std::vector<Span> phases_of(const std::vector<TimelineSample>& samples, double end_ms) {
  std::vector<Span> result;
  for (const auto& sample : samples) {
    const auto at = static_cast<double>(sample.at_ms);
    if (at > end_ms) break;
    if (!result.empty()) result.back().to_ms = at;
    if (sample.phase.empty() || (!result.empty() && result.back().name == sample.phase)) continue;
    result.push_back({sample.phase, at, at});
  }
  if (!result.empty()) result.back().to_ms = std::max(result.back().to_ms, end_ms);
  return result;
}

void add(std::vector<Span>& spans, std::string name, double from, double to) {
  if (to > from) spans.push_back({std::move(name), from, to});
}

/// Fills `source` and `target`. The agent does not tell when the hold ended: it is drawn up to one
/// step before the stop.
void note_both_sides(Report& report) {
  const auto end = report.total_ms;
  const auto stopped = began(report.states, "verifying");
  const auto aborting = began(report.states, "aborting");
  const auto last_step = stopped.value_or(aborting.value_or(end));
  const auto held_to = std::max(0.0, last_step - (stopped ? report.step_ms : 0));
  const auto held_from = std::max(0.0, held_to - report.downtime.log_wait_ms);
  if (report.downtime.log_wait_ms > 0 && stopped) {
    add(report.source, "trains", 0, held_from);
    add(report.source, "held", held_from, held_to);
    add(report.source, "trains", held_to, last_step);
  } else {
    add(report.source, "trains", 0, last_step);
  }
  if (stopped) add(report.source, "stopped", *stopped, aborting.value_or(end));
  if (aborting) add(report.source, "trains", *aborting, end);

  const auto prepared = began(report.states, "preparing");
  if (!prepared) return;
  const auto until = aborting.value_or(end);
  const auto ready = began(report.states, "standby_ready").value_or(until);
  add(report.target, "starts", *prepared, ready);
  // The target trains before the source's agent knows it: after the measured downtime.
  auto trains = until;
  if (stopped && report.downtime.measured_ms && !aborting) {
    const auto committed = began(report.states, "committed").value_or(*stopped);
    trains = std::clamp(*stopped + *report.downtime.measured_ms, std::min(committed, end), end);
  }
  add(report.target, "standby", ready, trains);
  add(report.target, "trains", trains, aborting ? trains : end);
}

std::vector<Bytes> bytes_by_phase(const Report& report) {
  std::vector<Bytes> result;
  const auto count = [&](const std::string& what, std::uint64_t bytes) {
    if (bytes == 0) return;
    const auto found = std::ranges::find(result, what, &Bytes::what);
    if (found == result.end()) {
      result.push_back({what, bytes});
    } else {
      found->bytes += bytes;
    }
  };
  const auto in_downtime = std::min(report.downtime.transferred, report.transferred);
  const auto before = report.transferred - in_downtime;
  std::uint64_t counted = 0;
  std::string phase;
  for (const auto& sample : report.samples) {
    // The last bytes of a phase are in the first sample of the next one.
    const auto up_to = std::min(sample.transferred, before);
    if (up_to > counted) {
      count(spelled(phase.empty() ? sample.phase : phase), up_to - counted);
      counted = up_to;
    }
    if (sample.phase != "frozen" && sample.phase != "verify") phase = sample.phase;
  }
  count(phase.empty() ? "before the freeze" : spelled(phase), before - counted);
  count("in the downtime", in_downtime);
  return result;
}

void measure_rates(Report& report) {
  const auto interval = std::max(kRateIntervalMinMs, report.total_ms / kRateIntervals);
  const TimelineSample* from = nullptr;
  const TimelineSample* first = nullptr;
  const TimelineSample* last = nullptr;
  for (const auto& sample : report.samples) {
    if (from == nullptr) from = &sample;
    if (sample.transferred > 0 && first == nullptr) first = from;
    if (last == nullptr || sample.transferred > last->transferred) last = &sample;
    const auto ms = static_cast<double>(sample.at_ms - from->at_ms);
    if (ms < interval && &sample != &report.samples.back()) continue;
    if (ms >= kRateIntervalMinMs / 2 && sample.transferred >= from->transferred) {
      const auto rate = static_cast<double>(sample.transferred - from->transferred) / ms * 1e3;
      report.rates.push_back(
          {static_cast<double>(from->at_ms), static_cast<double>(sample.at_ms), rate});
      report.peak_rate = std::max(report.peak_rate, rate);
    }
    from = &sample;
  }
  if (first == nullptr || last->at_ms <= first->at_ms) return;
  report.mean_rate = static_cast<double>(last->transferred - first->transferred) /
                     static_cast<double>(last->at_ms - first->at_ms) * 1e3;
}

std::string why_this_strategy(const Report& r, const json::object& progress) {
  if (r.strategy.empty()) {
    return fmt::format("{} was asked for, and it {} one was needed", r.asked,
                       r.result.empty() ? "is before" : "ended before");
  }
  if (r.asked == r.strategy) return "asked for";
  if (r.asked != "auto") {
    return fmt::format("{} was asked for, but this program's updates cannot be replayed", r.asked);
  }
  const auto rate = count_at(progress, "rate");
  return fmt::format("chosen by prediction: {} of state, a step of {}{}, {}",
                     format_size(r.state_bytes), format_ms(r.step_ms),
                     rate > 0 ? fmt::format(", a link of {}/s", format_size(rate)) : "",
                     r.downtime.limit_ms > 0
                         ? fmt::format("at most {} of downtime", format_ms(r.downtime.limit_ms))
                         : "any downtime");
}

/// The parts of a moved process; `of_the_engine` are the ms of the freeze that scan, send and
/// verify took.
std::vector<Part> process_parts(const json::object& process, double of_the_engine) {
  if (amount_at(process, "restore_ms") <= 0) return {};
  std::vector<Part> parts{{"depart", amount_at(process, "freeze_ms") - of_the_engine},
                          {"save GPU state", amount_at(process, "driver_suspend_ms")},
                          {"dump", amount_at(process, "dump_ms")},
                          {"ship", amount_at(process, "ship_ms")},
                          {"restore", amount_at(process, "restore_ms")},
                          {"put GPU state back", amount_at(process, "driver_resume_ms")},
                          {"verify image", amount_at(process, "verify_ms")}};
  std::erase_if(parts, [](const Part& part) { return part.ms <= 0; });
  return parts;
}

Lost lost_of(const json::object& migration) {
  Lost lost;
  lost.stall_ms = known_amount_at(migration, "stall_ms");
  lost.lost_ms = known_amount_at(migration, "lost_ms");
  lost.stall_steps = known_amount_at(migration, "stall_steps");
  lost.lost_steps = known_amount_at(migration, "lost_steps");
  lost.step_ms = known_amount_at(migration, "step_ms");
  lost.step_spread_ms = known_amount_at(migration, "step_spread_ms");
  lost.steps_after = known_amount_at(migration, "steps_after");
  lost.final = flag_at(migration, "lost_is_final");
  lost.note = printable_at(migration, "lost_note");
  return lost;
}

}  // namespace

std::string spelled(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, '_', ' ');
  return result;
}

Report make_report(const json::object& migration, const json::object& timeline) {
  Report r;
  const auto& progress = object_at(migration, "progress");
  r.id = printable_at(migration, "id");
  r.job = printable_at(migration, "job");
  r.from = printable_at(migration, "from");
  r.to = printable_at(migration, "to");
  r.state = printable_at(migration, "state");
  r.result = printable_at(migration, "result");
  r.asked = printable_at(migration, "strategy");
  r.strategy = printable_at(progress, "strategy");
  if (const auto* error = migration.if_contains("error"); error != nullptr && error->is_object()) {
    r.error = http::error_from_json(*error);
  }
  r.started_at_ms = static_cast<std::int64_t>(amount_at(migration, "started_at_ms"));
  r.total_ms = amount_at(progress, "total_time_ms");
  if (known_amount_at(migration, "migrated_at_step"))
    r.step = count_at(migration, "migrated_at_step");
  r.step_ms = amount_at(progress, "median_step_ms");
  r.state_bytes = count_at(progress, "total");
  r.transferred = count_at(progress, "transferred");
  r.rounds = static_cast<std::uint32_t>(std::min(amount_at(progress, "rounds"), 4e9));
  r.log_entries = count_at(progress, "log_entries");
  r.log_bytes = count_at(progress, "log_bytes");
  r.early_bytes = count_at(progress, "early_bytes");
  r.resent_bytes = count_at(progress, "resent_bytes");
  r.replay_ms = amount_at(progress, "replay_ms");

  r.lost = lost_of(migration);
  const auto& parts = object_at(timeline, "downtime");
  auto& d = r.downtime;
  d.predicted_ms = known_amount_at(parts, "predicted_ms");
  d.measured_ms = known_amount_at(parts, "measured_ms");
  d.clock_error_ms = amount_at(parts, "clock_error_ms");
  d.limit_ms = amount_at(migration, key_or_former(migration, "max_stall_ms", "max_downtime_ms"));
  d.log_wait_ms = amount_at(parts, "hold_ms");
  d.scan_ms = amount_at(parts, "scan_ms");
  d.send_ms = amount_at(parts, "send_ms");
  d.verify_ms = amount_at(parts, "verify_ms");
  d.transferred = count_at(parts, "transferred");
  auto known = d.scan_ms + d.send_ms + d.verify_ms;
  d.process = process_parts(object_at(migration, "process"), known);
  for (const auto& part : d.process) known += part.ms;
  if (d.measured_ms) d.grant_ms = std::max(0.0, *d.measured_ms - known);

  r.samples = timeline_from_json(array_at(timeline, "samples")).samples();
  r.states = states_of(array_at(migration, "history"), r.started_at_ms, r.total_ms);
  r.ranks = lanes_of(migration, r.started_at_ms, r.total_ms);
  r.communicator = communicator_of(migration);
  const auto decided = began(r.states, "aborting");
  const auto committed = began(r.states, "committed");
  r.phases =
      phases_of(r.samples, std::min(decided.value_or(r.total_ms), committed.value_or(r.total_ms)));
  if (r.ranks.empty()) note_both_sides(r);
  r.bytes = bytes_by_phase(r);
  measure_rates(r);
  r.why = why_this_strategy(r, progress);
  r.findings = findings_of(r, progress);
  return r;
}

}  // namespace cardswap::report
