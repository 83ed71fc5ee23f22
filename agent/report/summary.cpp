#include "agent/report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"
#include "agent/http/client.h"
#include "migrator/plan/lateness.h"

namespace cardswap::report {
namespace {

namespace json = boost::json;

std::string without_control_characters(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return text;
}

std::string line(std::string_view name, const std::string& value) {
  return fmt::format("{:<11}{}\n", name, without_control_characters(value));
}

std::string downtime_lines(const Downtime& d, bool is_of_ranks) {
  std::string result;
  if (d.measured_ms) {
    result +=
        line("downtime",
             fmt::format("{} (+/- {}){}", format_ms(*d.measured_ms), format_ms(d.clock_error_ms),
                         d.log_wait_ms > 0
                             ? fmt::format(", and {} held before it", format_ms(d.log_wait_ms))
                             : ""));
    std::string process;
    for (const auto& part : d.process) {
      process += fmt::format(", {} {}", part.name, format_ms(part.ms));
    }
    result +=
        line("", fmt::format("scan {}, send {}, verify {}{}, commit and grant {}; {} sent in it",
                             format_ms(d.scan_ms), format_ms(d.send_ms), format_ms(d.verify_ms),
                             process, format_ms(d.grant_ms), format_size(d.transferred)));
  }
  const auto limit = d.limit_ms > 0 ? fmt::format("limit {}", format_ms(d.limit_ms)) : "no limit";
  if (d.predicted_ms) {
    result +=
        line("predicted", fmt::format("{} with the hold; {}", format_ms(*d.predicted_ms), limit));
  } else if (!is_of_ranks) {  // where a rank moves nobody predicts
    result += line("predicted", fmt::format("not converged, so never; {}", limit));
  }
  return result;
}

std::string lost_lines(const Lost& lost) {
  if (!lost.lost_ms || !lost.stall_ms) {
    return lost.note.empty() ? "" : line("lost", "not known: " + lost.note);
  }
  const auto in_steps = [](const std::optional<double>& steps) {
    return steps ? " (" + steps_text(steps) + ")" : std::string();
  };
  auto result = line("stall", format_ms(*lost.stall_ms) + in_steps(lost.stall_steps)) +
                line("lost", format_ms(*lost.lost_ms) + in_steps(lost.lost_steps) +
                                 (lost.final ? "" : ", so far"));
  result +=
      line("", fmt::format("a step took {} (+ {}) before; {:.0f} of {} steps after it are in it",
                           format_ms(lost.step_ms.value_or(0)),
                           format_ms(lost.step_spread_ms.value_or(0)), lost.steps_after.value_or(0),
                           kStepsAfter));
  if (!lost.note.empty()) result += line("", lost.note);
  return result;
}

/// Adds the figures under the names that the API's Migration has.
void put(json::object& to, const Lost& lost) {
  to["stall_ms"] = value_or_null(lost.stall_ms);
  to["lost_ms"] = value_or_null(lost.lost_ms);
  to["stall_steps"] = value_or_null(lost.stall_steps);
  to["lost_steps"] = value_or_null(lost.lost_steps);
  to["step_ms"] = value_or_null(lost.step_ms);
  to["step_spread_ms"] = value_or_null(lost.step_spread_ms);
  to["steps_after"] = value_or_null(lost.steps_after);
  to["lost_is_final"] = lost.final;
  to["lost_note"] = text_or_null(lost.note);
}

json::array to_json(const std::vector<Span>& spans) {
  json::array result;
  for (const auto& span : spans) {
    result.push_back(
        json::object{{"name", span.name}, {"from_ms", span.from_ms}, {"to_ms", span.to_ms}});
  }
  return result;
}

json::array to_json(const std::vector<Lane>& lanes) {
  json::array result;
  for (const auto& lane : lanes) {
    result.push_back(json::object{{"name", lane.name}, {"states", to_json(lane.states)}});
  }
  return result;
}

json::value to_json(const std::optional<Communicator>& took) {
  if (!took) return nullptr;
  return {
      {"build_ms", took->build_ms}, {"try_ms", took->try_ms}, {"exchange_ms", took->exchange_ms}};
}

std::string communicator_line(const std::optional<Communicator>& took) {
  if (!took) return {};
  return line("exchange",
              fmt::format("communicators built in {} beside training, tried in {} and put in in {}",
                          format_ms(took->build_ms), format_ms(took->try_ms),
                          format_ms(took->exchange_ms)));
}

json::array to_json(const std::vector<Part>& parts) {
  json::array result;
  for (const auto& part : parts) {
    result.push_back(json::object{{"name", part.name}, {"ms", part.ms}});
  }
  return result;
}

}  // namespace

std::string steps_text(const std::optional<double>& steps) {
  return steps ? fmt::format("{:.{}f} steps", *steps, *steps < 10 ? 1 : 0) : std::string();
}

std::string_view to_string(Finding::Level level) {
  switch (level) {
    case Finding::Level::note: return "note";
    case Finding::Level::warning: return "warning";
    case Finding::Level::failure: return "failure";
  }
  return "note";
}

std::string size_text(double bytes) {
  return format_size(static_cast<std::uint64_t>(std::clamp(bytes, 0.0, 1e18)));
}

std::string headline(const Report& r) {
  if (r.has_moved()) return fmt::format("job {} moved from {} to {}", r.job, r.from, r.to);
  const auto* what = r.result == "cancelled" ? "the move of job {} from {} to {} was cancelled"
                     : r.result == "checked" ? "job {} was checked from {} to {}, and not moved"
                     : r.result == "failed"  ? "the move of job {} from {} to {} failed"
                                             : "job {} is on its way from {} to {}";
  return fmt::format(fmt::runtime(what), r.job, r.from, r.to);
}

std::string to_text(const Report& r) {
  auto result = line("migration", r.id) + line("", headline(r));
  result += line("result", fmt::format("{}{} after {}", r.result.empty() ? r.state : r.result,
                                       r.step ? fmt::format(" at step {},", *r.step) : "",
                                       format_ms(r.total_ms)));
  result +=
      line("strategy", fmt::format("{} ({})", r.strategy.empty() ? "none" : r.strategy, r.why));
  result += lost_lines(r.lost);
  result += downtime_lines(r.downtime, !r.ranks.empty());
  result += communicator_line(r.communicator);
  result += line("sent", fmt::format("{} for {} of state{}", format_size(r.transferred),
                                     format_size(r.state_bytes),
                                     r.rounds > 0 ? fmt::format(", {} rounds", r.rounds) : ""));
  for (const auto& part : r.bytes) {
    result += line("", fmt::format("{}: {}", part.what, format_size(part.bytes)));
  }
  if (r.log_entries > 0) {
    result +=
        line("", fmt::format("update log: {} optimizer steps, {}; one replays in {}", r.log_entries,
                             format_size(r.log_bytes), format_ms(r.replay_ms)));
  }
  if (r.early_bytes > 0) {
    result += line("", fmt::format("{} of it while the backward pass ran, {} of that in vain",
                                   format_size(r.early_bytes), format_size(r.resent_bytes)));
  }
  if (r.mean_rate > 0) {
    result += line("rate", fmt::format("{}/s mean, {}/s peak", size_text(r.mean_rate),
                                       size_text(std::max(r.mean_rate, r.peak_rate))));
  }
  for (const auto& state : r.states) {
    result += line(
        &state == &r.states.front() ? "states" : "",
        fmt::format("{:<14}+{:<9} {}", state.name, format_ms(state.from_ms),
                    &state == &r.states.back() && !r.result.empty() ? "" : format_ms(state.ms())));
    // No padding at the end of a line.
    result.erase(result.find_last_not_of(" \n") + 1);
    result += '\n';
  }
  for (const auto& finding : r.findings) {
    result += line(to_string(finding.level), finding.text);
  }
  return result;
}

json::object to_json(const Report& r) {
  json::array bytes;
  for (const auto& part : r.bytes) {
    bytes.push_back(json::object{{"what", part.what}, {"bytes", part.bytes}});
  }
  json::array findings;
  for (const auto& finding : r.findings) {
    findings.push_back(json::object{{"level", to_string(finding.level)}, {"text", finding.text}});
  }
  Timeline timeline;
  for (const auto& sample : r.samples) timeline.add(sample);
  const auto& d = r.downtime;
  json::object all{
      {"migration", r.id},
      {"job", r.job},
      {"from", r.from},
      {"to", r.to},
      {"state", r.state},
      {"result", text_or_null(r.result)},
      {"headline", headline(r)},
      {"strategy", {{"asked", r.asked}, {"used", text_or_null(r.strategy)}, {"why", r.why}}},
      {"error", r.error ? json::value(http::to_json(*r.error)) : json::value(nullptr)},
      {"started_at_ms", r.started_at_ms},
      {"total_time_ms", r.total_ms},
      {"migrated_at_step", value_or_null(r.step)},
      {"median_step_ms", r.step_ms},
      {"total", r.state_bytes},
      {"transferred", r.transferred},
      {"bytes", bytes},
      {"rounds", r.rounds},
      {"log_entries", r.log_entries},
      {"log_bytes", r.log_bytes},
      {"early_bytes", r.early_bytes},
      {"resent_bytes", r.resent_bytes},
      {"replay_ms", r.replay_ms},
      {"mean_rate", r.mean_rate},
      {"peak_rate", r.peak_rate},
      {"downtime",
       {{"predicted_ms", value_or_null(d.predicted_ms)},
        {"measured_ms", value_or_null(d.measured_ms)},
        {"clock_error_ms", d.clock_error_ms},
        {"limit_ms", d.limit_ms},
        {"hold_ms", d.log_wait_ms},
        {"scan_ms", d.scan_ms},
        {"send_ms", d.send_ms},
        {"verify_ms", d.verify_ms},
        {"process", to_json(d.process)},
        {"grant_ms", d.grant_ms},
        {"transferred", d.transferred}}},
      {"states", to_json(r.states)},
      {"phases", to_json(r.phases)},
      {"source", to_json(r.source)},
      {"target", to_json(r.target)},
      {"ranks", to_json(r.ranks)},
      {"communicator", to_json(r.communicator)},
      {"findings", findings},
      {"samples", cardswap::to_json(timeline)}};
  put(all, r.lost);
  return all;
}

}  // namespace cardswap::report
