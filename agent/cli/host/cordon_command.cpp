#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/http/agent_address.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

struct CordonOptions {
  std::string place;
  std::string reason;
  std::string wait = "none";
};

/// Waits until the agent is ready, then calls it. An agent that restarts refuses connections for a
/// while, then answers, then is ready; one that is about to end is ready but does not answer the
/// next call.
json::object call_when_ready(const Context& context, const http::AgentAddress& asked,
                             std::chrono::milliseconds limit, const json::object& body) {
  constexpr std::chrono::milliseconds kTick{200};
  const auto until = Clock::now() + limit;
  while (true) {
    bool ready = false;
    try {
      Client client(asked.agent, context.credentials);
      client.call("GET", "/readyz", nullptr, seconds(5));
      ready = true;
      return client.call("DELETE", "/v1/cordon", body);
    } catch (const Error& error) {
      if (ready && !http::is_silence(error.code())) throw;
      if (Clock::now() >= until) {
        throw Error(Code::timed_out,
                    fmt::format("{} was not ready within {}: {}", asked.agent.text(),
                                format_ms(static_cast<double>(limit.count())), error.failure()),
                    "it stays as it is; look at its agent");
      }
    }
    std::this_thread::sleep_for(kTick);
  }
}

std::string listed(const json::object& answer, const http::AgentAddress& asked, bool closed) {
  const auto* lifted = answer.if_contains("lifted");
  const bool was_open = lifted != nullptr && lifted->is_bool() && !lifted->get_bool();
  auto text = fmt::format("{} {}\n", asked.text(),
                          closed     ? "is cordoned"
                          : was_open ? "was not cordoned"
                                     : "is uncordoned");
  if (closed) return text;
  if (const auto* warnings = answer.if_contains("warnings");
      warnings != nullptr && warnings->is_array()) {
    for (const auto& warning : warnings->get_array()) {
      if (warning.is_string()) text += "warning: " + printable(warning.get_string()) + "\n";
    }
  }
  for (const auto& item : answer.at("cordons").as_array()) {
    const auto& cordon = item.as_object();
    const auto& device = cordon.at("device");
    text += fmt::format("still cordoned: {}{}\n", asked.agent.text(),
                        device.is_string() ? "/" + printable(device.get_string()) : "");
  }
  return text;
}

Exit change(const Context& context, const CordonOptions& options, bool close) {
  const auto asked = http::parse_agent_address(close ? "cordon" : "uncordon", options.place);
  json::object body;
  if (!asked.device.empty()) body["device"] = asked.device;
  auto limit = std::chrono::milliseconds(0);
  if (close) {
    if (asked.device.empty()) body["device"] = nullptr;
    body["reason"] = options.reason;
    body["by"] = whoami();
  } else {
    if (!options.reason.empty()) body["reason"] = options.reason;
    limit = parse_duration("--wait", options.wait);
  }
  const auto answer = limit.count() > 0 ? call_when_ready(context, asked, limit, body)
                                        : Client(asked.agent, context.credentials)
                                              .call(close ? "POST" : "DELETE", "/v1/cordon", body);
  context.show(answer, [&](const json::object& now) { return listed(now, asked, close); });
  return Exit::done;
}

}  // namespace

std::string whoami() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::array<char, 4096> space{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::geteuid(), &entry, space.data(), space.size(), &found);
  return fmt::format("{}@{}", found != nullptr ? found->pw_name : std::to_string(::geteuid()),
                     host.data());
}

void add_cordon_commands(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<CordonOptions>();
  auto* cordon = app.add_subcommand("cordon", "Close a host or a device to new jobs");
  cordon->add_option("place", options->place, "HOST[:PORT][/DEVICE]")->required();
  cordon->add_option("--reason", options->reason, "Why, for whoever sees it");
  cordon->callback([&context, &run, options] {
    run = [&context, options] { return change(context, *options, true); };
  });
  auto* uncordon = app.add_subcommand("uncordon", "Open a host or a device again");
  uncordon->add_option("place", options->place, "HOST[:PORT][/DEVICE]")->required();
  uncordon->add_option("--if-reason", options->reason,
                       "Only a cordon with this reason; another one stays, exit 3");
  uncordon
      ->add_option("--wait", options->wait,
                   "First wait until the host's agent is ready, for this long; exit 4 after it")
      ->capture_default_str();
  uncordon->callback([&context, &run, options] {
    run = [&context, options] { return change(context, *options, false); };
  });
}

}  // namespace cardswap::cli
