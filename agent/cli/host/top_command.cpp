#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/text/screen.h"
#include "agent/cli/text/top_view.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kIntervalMin{100};
constexpr std::chrono::seconds kLookMax{2};

struct TopOptions {
  std::string interval = "1s";
  bool once = false;
};

TopSnapshot take_snapshot(Client& client) {
  TopSnapshot seen;
  seen.version = client.call("GET", "/v1/version", nullptr, kLookMax);
  seen.devices = client.call("GET", "/v1/devices", nullptr, kLookMax);
  seen.jobs = client.call("GET", "/v1/jobs", nullptr, kLookMax);
  seen.migrations = client.call("GET", "/v1/migrations?running=1", nullptr, kLookMax);
  return seen;
}

std::string drawn(const TopSnapshot& seen, Screen::Size size) {
  std::string text;
  for (const auto& line : top_view(seen, size.width, size.height)) {
    if (!text.empty()) text += '\n';
    text += line.heading ? "\033[7m" + line.text + "\033[0m" : line.text;
  }
  return text;
}

Exit live(Client& client, TopSnapshot seen, std::chrono::milliseconds interval) {
  Screen screen;
  auto due = Clock::now() + interval;
  while (true) {
    screen.draw(drawn(seen, Screen::size()));
    const auto event = screen.wait(due);
    if (event == Screen::Event::quit) return Exit::done;
    if (event == Screen::Event::redraw) continue;
    try {
      seen = take_snapshot(client);
    } catch (const Error& error) {
      seen.lost = error.failure();  // the agent may be restarted: what was last seen stays
    }
    due = Clock::now() + interval;
  }
}

Exit once(const Context& context, const TopSnapshot& seen) {
  if (context.wants_json()) {
    std::cout << json::serialize(json::object{{"version", seen.version},
                                              {"devices", seen.devices.at("devices")},
                                              {"jobs", seen.jobs.at("jobs")},
                                              {"migrations", seen.migrations.at("migrations")}})
              << "\n";
    return Exit::done;
  }
  constexpr std::size_t kUnlimited = 1000;
  const auto width = Screen::is_possible() ? Screen::size().width : kUnlimited;
  for (const auto& line : top_view(seen, width, 0)) std::cout << line.text << "\n";
  return Exit::done;
}

}  // namespace

void add_top_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<TopOptions>();
  auto* top = app.add_subcommand("top", "Devices, jobs and migrations of this host, live");
  top->add_option("--interval", options->interval, "Time between two looks")->capture_default_str();
  top->add_flag("--once", options->once, "Print one table and end, as without a terminal");
  top->callback([&context, &run, options] {
    run = [&context, options] {
      const auto interval = parse_duration("--interval", options->interval);
      if (interval < kIntervalMin) {
        throw Error(Code::bad_request, "--interval: '" + options->interval + "' is too short",
                    "use 100ms or more");
      }
      auto client = context.client();
      auto seen = take_snapshot(client);
      if (options->once || context.wants_json() || !Screen::is_possible())
        return once(context, seen);
      return live(client, std::move(seen), interval);
    };
  });
}

}  // namespace cardswap::cli
