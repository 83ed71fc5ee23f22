#include "agent/report/trace.h"

#include <algorithm>
#include <boost/json.hpp>

#include "agent/report/summary.h"

namespace cardswap::report {
namespace {

namespace json = boost::json;

constexpr int kSource = 1;
constexpr int kTarget = 2;
constexpr int kHandover = 1;
constexpr int kEngine = 2;
constexpr int kTrainer = 3;
constexpr int kFirstRank = 4;

std::int64_t microseconds(double ms) { return static_cast<std::int64_t>(ms * 1e3); }

json::object named(std::string_view what, int pid, int tid, const std::string& name) {
  return {{"name", what}, {"ph", "M"},  {"ts", 0},
          {"pid", pid},   {"tid", tid}, {"args", {{"name", name}}}};
}

void add(json::array& events, const std::vector<Span>& spans, int pid, int tid,
         std::string_view category) {
  for (const auto& span : spans) {
    events.push_back(json::object{{"name", spelled(span.name)},
                                  {"cat", category},
                                  {"ph", "X"},
                                  {"ts", microseconds(span.from_ms)},
                                  {"dur", std::max<std::int64_t>(0, microseconds(span.ms()))},
                                  {"pid", pid},
                                  {"tid", tid}});
  }
}

json::object counter(std::string_view name, double at_ms, json::object value) {
  return {{"name", name},   {"cat", "figures"},        {"ph", "C"}, {"ts", microseconds(at_ms)},
          {"pid", kSource}, {"args", std::move(value)}};
}

}  // namespace

json::object to_trace(const Report& report) {
  json::array timed;
  add(timed, report.states, kSource, kHandover, "state");
  add(timed, report.phases, kSource, kEngine, "phase");
  add(timed, report.source, kSource, kTrainer, "trainer");
  add(timed, report.target, kTarget, kTrainer, "trainer");
  for (std::size_t i = 0; i < report.ranks.size(); ++i) {
    add(timed, report.ranks[i].states, kSource, kFirstRank + static_cast<int>(i), "rank");
  }
  for (const auto& rate : report.rates) {
    timed.push_back(counter("rate", rate.from_ms, {{"bytes/s", rate.bytes_per_s}}));
  }
  for (const auto& sample : report.samples) {
    const auto at = static_cast<double>(sample.at_ms);
    timed.push_back(counter("sent", at, {{"bytes", sample.transferred}}));
    timed.push_back(counter("remaining", at, {{"bytes", sample.remaining}}));
    timed.push_back(counter("log lag", at, {{"bytes", sample.log_lag_bytes}}));
    timed.push_back(counter("step", at, {{"steps", sample.step}}));
    timed.push_back(counter("throttle", at, {{"percent", sample.throttle_pct}}));
    timed.push_back(counter("expected downtime", at, {{"ms", sample.expected_downtime_ms}}));
  }
  std::ranges::stable_sort(
      timed, {}, [](const json::value& event) { return event.as_object().at("ts").as_int64(); });
  json::array events{named("process_name", kSource, 0, "source " + report.from),
                     named("process_name", kTarget, 0, "target " + report.to),
                     named("thread_name", kSource, kHandover, "handover"),
                     named("thread_name", kSource, kEngine, "engine"),
                     named("thread_name", kSource, kTrainer, "trainer"),
                     named("thread_name", kTarget, kTrainer, "trainer")};
  for (std::size_t i = 0; i < report.ranks.size(); ++i) {
    events.push_back(
        named("thread_name", kSource, kFirstRank + static_cast<int>(i), report.ranks[i].name));
  }
  events.insert(events.end(), timed.begin(), timed.end());
  return {{"displayTimeUnit", "ms"},
          {"otherData",
           {{"migration", report.id},
            {"job", report.job},
            {"headline", headline(report)},
            {"started_at_ms", report.started_at_ms}}},
          {"traceEvents", std::move(events)}};
}

}  // namespace cardswap::report
