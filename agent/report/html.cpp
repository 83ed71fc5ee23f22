#include "agent/report/html.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "agent/base/units.h"
#include "agent/report/charts.h"
#include "agent/report/style.h"
#include "agent/report/summary.h"
#include "agent/report/svg.h"
#include "migrator/plan/lateness.h"

namespace cardswap::report {
namespace {

std::string when(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  if (::gmtime_r(&seconds, &utc) == nullptr) return "?";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", utc);
}

std::pair<const char*, const char*> outcome(const Report& r) {
  if (r.has_moved()) return {"ok", "moved"};
  if (r.result == "cancelled") return {"warn", "cancelled"};
  if (r.result == "checked") return {"ok", "checked"};
  if (r.result == "failed") return {"bad", "failed"};
  return {"going", "under way"};
}

std::string tile(std::string_view name, std::string_view figure, std::string_view more) {
  return fmt::format(
      "<div class=\"tile\"><div class=\"name\">{}</div><div class=\"figure\">{}</div>"
      "<div class=\"more\">{}</div></div>\n",
      escaped(name), escaped(figure), escaped(more));
}

std::string lost_tiles(const Lost& lost) {
  if (!lost.lost_ms || !lost.stall_ms) {
    return tile("Lost", "not known",
                lost.note.empty() ? "nothing was told of its steps" : lost.note);
  }
  return tile("Stall", format_ms(*lost.stall_ms),
              fmt::format("the most delayed step; {}", steps_text(lost.stall_steps))) +
         tile("Lost", format_ms(*lost.lost_ms),
              fmt::format("all late steps; {}{}", steps_text(lost.lost_steps),
                          lost.final ? "" : ", so far"));
}

std::string tiles(const Report& r) {
  const auto& d = r.downtime;
  const auto limit = d.limit_ms > 0 ? fmt::format("limit {}", format_ms(d.limit_ms)) : "no limit";
  std::string result = "<section class=\"tiles\">\n" + lost_tiles(r.lost);
  result += d.measured_ms
                ? tile("Downtime", format_ms(*d.measured_ms),
                       d.log_wait_ms > 0
                           ? fmt::format("after a hold of {}; {}", format_ms(d.log_wait_ms), limit)
                           : limit)
                : tile("Downtime", "none", "the job never stood still for the target");
  if (r.communicator) {
    result += tile("Communicator", format_ms(r.communicator->try_ms + r.communicator->exchange_ms),
                   fmt::format("of the pause; built in {} beside training",
                               format_ms(r.communicator->build_ms)));
  }
  if (d.predicted_ms || r.ranks.empty()) {
    result += tile("Predicted", d.predicted_ms ? format_ms(*d.predicted_ms) : "none",
                   d.predicted_ms ? "before the freeze, hold and downtime" : "it did not converge");
  }
  result +=
      tile("Took", format_ms(r.total_ms),
           r.step ? fmt::format("moved at step {}", *r.step) : fmt::format("ended as {}", r.state));
  result += tile("Sent", format_size(r.transferred),
                 r.state_bytes > 0 ? fmt::format("for {} of state", format_size(r.state_bytes))
                                   : "before any state was agreed on");
  result += tile("Rate", r.mean_rate > 0 ? size_text(r.mean_rate) + "/s" : "none",
                 r.mean_rate > 0 ? fmt::format("mean; {}/s at most",
                                               size_text(std::max(r.mean_rate, r.peak_rate)))
                                 : "nothing was measured");
  result += tile("Strategy", r.strategy.empty() ? "none" : r.strategy,
                 r.asked == r.strategy ? "asked for" : fmt::format("{} was asked for", r.asked));
  return result + "</section>\n";
}

std::string findings(const Report& r) {
  if (r.findings.empty()) return {};
  std::string result = "<section class=\"card\"><h2>Findings</h2>\n<ul class=\"findings\">\n";
  for (const auto& finding : r.findings) {
    const auto* style = finding.level == Finding::Level::failure   ? "bad"
                        : finding.level == Finding::Level::warning ? "warn"
                                                                   : "going";
    result += fmt::format("<li><span class=\"level {}\">{}</span><span>{}</span></li>\n", style,
                          to_string(finding.level), escaped(finding.text));
  }
  return result + "</ul></section>\n";
}

std::string legend_item(std::string_view style, std::string_view name,
                        std::string_view value = "") {
  return fmt::format("<li><i class=\"{}\"></i>{}{}</li>\n", style, escaped(name),
                     value.empty() ? "" : fmt::format(" <b>{}</b>", escaped(value)));
}

std::string timeline(const Report& r) {
  constexpr std::array<std::pair<const char*, const char*>, 7> kMeanings{{
      {"k-wait", "prepares, waits"},
      {"k-copy", "copies the state"},
      {"k-follow", "follows the job's steps"},
      {"k-hold", "held, about to freeze"},
      {"k-stop", "stands still, verifies, commits"},
      {"k-train", "trains"},
      {"k-bad", "gives up"},
  }};
  std::string result = "<section class=\"card\"><h2>Timeline</h2>\n<div class=\"wide\">\n" +
                       timeline_chart(r) + "</div>\n<ul class=\"legend\">\n";
  for (const auto& [style, meaning] : kMeanings) {
    const auto is_used = [&](const std::vector<Span>& spans) {
      return std::ranges::any_of(
          spans, [&](const Span& span) { return style_of(span.name) == style && span.ms() > 0; });
    };
    const bool is_of_a_rank =
        std::ranges::any_of(r.ranks, [&](const Lane& lane) { return is_used(lane.states); });
    if (is_used(r.states) || is_used(r.phases) || is_used(r.source) || is_used(r.target) ||
        is_of_a_rank) {
      result += legend_item(style, meaning);
    }
  }
  if (r.rounds > 0) result += legend_item("mark", "a round ends");
  return result + "</ul></section>\n";
}

std::string downtime(const Report& r) {
  const auto chart = downtime_chart(r);
  if (chart.empty()) return {};
  const auto& d = r.downtime;
  std::string result =
      "<section class=\"card\"><h2>Downtime: predicted against measured</h2>\n"
      "<div class=\"wide\">\n" +
      chart + "</div>\n<ul class=\"legend\">\n";
  if (d.measured_ms) {
    if (d.log_wait_ms > 0) {
      result += legend_item("p-hold", "hold before the last step", format_ms(d.log_wait_ms));
    }
    result += legend_item("p-scan", "scan", format_ms(d.scan_ms));
    result += legend_item("p-send", "send", format_ms(d.send_ms));
    result += legend_item("p-verify", "verify", format_ms(d.verify_ms));
    for (const auto& [name, ms] : d.process) {
      result += legend_item("p-process", name, format_ms(ms));
    }
    result += legend_item("p-grant", "commit and grant", format_ms(d.grant_ms));
  }
  return result + "</ul></section>\n";
}

std::string bytes(const Report& r) {
  if (r.bytes.empty()) return {};
  constexpr std::array kStyles{"k-wait", "k-copy", "k-follow", "p-verify", "k-hold"};
  std::string bar;
  std::string legend;
  std::size_t next = 0;
  for (const auto& part : r.bytes) {
    const std::string_view style =
        part.what == "in the downtime" ? "k-stop" : kStyles[next++ % kStyles.size()];
    bar += fmt::format("<i class=\"{}\" style=\"flex:{}\" title=\"{}\"></i>", style, part.bytes,
                       escaped(part.what + ": " + format_size(part.bytes)));
    legend += legend_item(style, part.what, format_size(part.bytes));
  }
  return fmt::format(
      "<section class=\"card\"><h2>What the bytes were sent for</h2>\n"
      "<div class=\"stack\">{}</div>\n<ul class=\"legend\">\n{}</ul></section>\n",
      bar, legend);
}

std::string states(const Report& r) {
  std::string result =
      "<section class=\"card\"><h2>States</h2>\n<table><thead><tr><th>State</th>"
      "<th class=\"number\">Began at</th><th class=\"number\">Lasted</th></tr></thead><tbody>\n";
  for (const auto& state : r.states) {
    const bool is_the_end = &state == &r.states.back() && !r.result.empty();
    result += fmt::format(
        "<tr><td><i class=\"chip {}\"></i>{}</td><td class=\"number\">+{}</td>"
        "<td class=\"number\">{}</td></tr>\n",
        style_of(state.name), escaped(spelled(state.name)), format_ms(state.from_ms),
        is_the_end ? "" : format_ms(state.ms()));
  }
  return result + "</tbody></table></section>\n";
}

std::string figures(const Report& r) {
  std::string rows;
  const auto row = [&](std::string_view name, std::string_view value) {
    rows += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
  };
  row("Migration", r.id);
  row("Job", r.job);
  row("From", r.from);
  row("To", r.to);
  row("Planned at", when(r.started_at_ms));
  row("Strategy", fmt::format("{}: {}", r.strategy.empty() ? "none" : r.strategy, r.why));
  if (r.step_ms > 0) row("A step", format_ms(r.step_ms) + ", median");
  if (r.rounds > 0) row("Rounds", std::to_string(r.rounds));
  if (r.log_entries > 0) {
    row("Update log", fmt::format("{} optimizer steps, {} of gradients", r.log_entries,
                                  format_size(r.log_bytes)));
    row("A replay", format_ms(r.replay_ms));
  }
  if (r.lost.step_ms) {
    row("A step before", fmt::format("{}, nine of ten within {} more", format_ms(*r.lost.step_ms),
                                     format_ms(r.lost.step_spread_ms.value_or(0))));
    row("Steps after in it",
        fmt::format("{:.0f} of {}", r.lost.steps_after.value_or(0), kStepsAfter));
  }
  if (!r.lost.note.empty()) row("Lost time", r.lost.note);
  if (r.downtime.measured_ms) {
    row("Clock error", "at most " + format_ms(r.downtime.clock_error_ms));
    row("Sent in downtime", format_size(r.downtime.transferred));
  }
  return fmt::format(
      "<section class=\"card\"><h2>Figures</h2>\n<table><tbody>\n{}</tbody></table></section>\n",
      rows);
}

}  // namespace

std::string to_html(const Report& r) {
  const auto [style, word] = outcome(r);
  return fmt::format(
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<title>Migration {} of job {}</title>\n<style>{}</style></head>\n<body><main>\n"
             "<header><span class=\"badge {}\">{}</span>\n<h1>{}</h1>\n"
             "<p class=\"sub\">Migration {}, {}</p></header>\n",
             escaped(r.id), escaped(r.job), kStyle, style, word, escaped(headline(r)),
             escaped(r.id), when(r.started_at_ms)) +
         tiles(r) + timeline(r) + downtime(r) + bytes(r) + findings(r) + "<div class=\"pair\">\n" +
         states(r) + figures(r) +
         fmt::format("</div>\n<footer>cardswap {}</footer>\n</main></body></html>\n",
                     CARDSWAP_VERSION);
}

}  // namespace cardswap::report
