#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr int kUnknown = 3;
constexpr std::chrono::seconds kFollowWait{20};

struct Wanted {
  std::string host;
  std::string clear;
  std::string reason;
  bool close_breaker = false;
  bool follow = false;
  std::string device;
  std::string job;
  std::string since;
  std::size_t limit = 100;
};

std::string time_text(std::int64_t at_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(at_ms / 1000)));
}

/// The line about the breaker; empty while it is closed.
std::string breaker_text(const json::object& answer) {
  const auto* breaker = answer.if_contains("breaker");
  if (breaker == nullptr || !breaker->is_object()) return {};
  const auto& of = breaker->get_object();
  const auto* open = of.if_contains("open");
  if (open == nullptr || !open->is_bool() || !open->get_bool()) return {};
  return fmt::format(
      "breaker: OPEN since {}: {}; it closes at {}, or with `cardswap health --close-breaker "
      "--reason TEXT`\n",
      time_text(number_at<std::int64_t>(of, "since_ms")), printable_at(of, "why"),
      time_text(number_at<std::int64_t>(of, "until_ms")));
}

std::string health_text(const json::object& answer) {
  // The form of Nagios: the text, and after a bar the figures for graphs.
  const auto& moves = answer.at("moves").as_object();
  auto text = fmt::format(
      "{}: {} | incidents={} moves_running={};;;0;{} moves_last_hour={};;;0;{}\n",
      printable_at(answer, "status"), printable_at(answer, "summary"),
      answer.at("incidents").as_array().size(), number_at<std::int64_t>(moves, "running"),
      number_at<std::int64_t>(moves, "at_once"), number_at<std::int64_t>(moves, "last_hour"),
      number_at<std::int64_t>(moves, "per_hour"));
  std::vector<std::vector<std::string>> rows{
      {"STATE", "DEVICE", "CODE", "ACTION", "PHASE", "COUNT", "WHAT"}};
  for (const auto& item : answer.at("incidents").as_array()) {
    const auto& incident = item.as_object();
    const auto text_of = printable_at(incident, "text");
    rows.push_back({printable_at(incident, "state"), printable_at(incident, "device"),
                    printable_at(incident, "code"), printable_at(incident, "action"),
                    printable_at(incident, "phase"),
                    std::to_string(number_at<std::int64_t>(incident, "count")),
                    text_of.empty() ? printable_at(incident, "detail") : text_of});
  }
  if (rows.size() > 1) text += table(rows);
  const auto mode = printable_at(answer, "mode");
  text += mode == "observe"
              ? "mode: observe (nothing is moved; `cardswap events` tells what would be)\n"
              : fmt::format("mode: {}\n", mode);
  text += breaker_text(answer);
  for (const auto& source : answer.at("sources").as_object()) {
    if (source.value().is_string() && source.value().get_string() != "ok") {
      text += fmt::format("source {}: {}\n", std::string(source.key()),
                          printable(source.value().get_string()));
    }
  }
  return text;
}

Exit health(const Context& context, const Wanted& wanted) {
  const auto& agent = wanted.host.empty() ? context.agent : wanted.host;
  if (!wanted.clear.empty() || wanted.close_breaker) {
    json::object body{{"reason", wanted.reason}, {"breaker", wanted.close_breaker}};
    if (!wanted.clear.empty()) body["device"] = wanted.clear;
    context.show(
        Client(agent, context.credentials).call("POST", "/v1/health/clear", std::move(body)),
        health_text);
    return Exit::done;
  }
  try {
    const auto answer = Client(agent, context.credentials)
                            .call("GET", "/v1/health", nullptr, std::chrono::seconds(10));
    context.show(answer, health_text);
    return static_cast<Exit>(number_at<std::int64_t>(answer, "code"));
  } catch (const Error& error) {
    if (error.code() == Code::bad_request) throw;
    if (!context.quiet) std::cout << "UNKNOWN: " << error.failure() << "\n";
    if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << "\n";
    return static_cast<Exit>(kUnknown);
  }
}

std::string event_line(const json::object& event) {
  const auto at = number_at<std::int64_t>(event, "at_ms");
  auto line = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {:<14}",
                          fmt::gmtime(static_cast<std::time_t>(at / 1000)), at % 1000,
                          printable_at(event, "kind"));
  for (const auto* key : {"device", "code", "job", "migration"}) {
    if (const auto value = printable_at(event, key); !value.empty()) line += " " + value;
  }
  return line + ": " + printable_at(event, "text") + "\n";
}

std::string events_text(const json::object& answer) {
  std::string text;
  for (const auto& event : answer.at("events").as_array()) text += event_line(event.as_object());
  return text;
}

Exit events(const Context& context, const Wanted& wanted) {
  auto target = fmt::format("/v1/events?limit={}", wanted.limit);
  if (!wanted.device.empty()) target += "&device=" + http::percent_encoded(wanted.device);
  if (!wanted.job.empty()) target += "&job=" + http::percent_encoded(wanted.job);
  if (!wanted.since.empty()) {
    const auto span = parse_duration("--since", wanted.since).count();
    target += fmt::format("&since_ms={}", unix_ms() - span);
  }
  auto client = context.client();
  auto answer = client.call("GET", target);
  context.show(answer, events_text);
  while (wanted.follow) {
    std::cout << std::flush;
    const auto next = number_at<std::int64_t>(answer, "next");
    answer =
        client.call("GET",
                    fmt::format("{}&after={}&wait_ms={}", target, std::max<std::int64_t>(1, next),
                                kFollowWait / std::chrono::milliseconds(1)),
                    nullptr, 2 * kFollowWait);
    if (!answer.at("events").as_array().empty()) context.show(answer, events_text);
  }
  return Exit::done;
}

}  // namespace

void add_health_commands(CLI::App& app, Context& context, Run& run) {
  auto wanted = std::make_shared<Wanted>();
  auto* health_verb =
      app.add_subcommand("health", "Whether devices are well, with a Nagios check's exit codes");
  health_verb->add_option("host", wanted->host, "Another host's agent, HOST[:PORT]");
  health_verb->add_option("--clear", wanted->clear, "DEVICE, host or all: it is well again");
  health_verb->add_option("--reason", wanted->reason, "Why; kept with the events");
  health_verb->add_flag("--close-breaker", wanted->close_breaker,
                        "Let moves start again after the circuit breaker opened");
  health_verb->callback(
      [&context, &run, wanted] { run = [&context, wanted] { return health(context, *wanted); }; });
  auto* events_verb = app.add_subcommand("events", "What was found, done and held back, and why");
  events_verb->add_flag("--follow", wanted->follow, "Go on as events come");
  events_verb->add_option("--device", wanted->device, "Of this device only");
  events_verb->add_option("--job", wanted->job, "Of this job only");
  events_verb->add_option("--since", wanted->since, "No older than this, such as 1h");
  events_verb->add_option("--limit", wanted->limit, "At most so many, the newest")
      ->check(CLI::Range(1, 1000));
  events_verb->callback(
      [&context, &run, wanted] { run = [&context, wanted] { return events(context, *wanted); }; });
}

}  // namespace cardswap::cli
