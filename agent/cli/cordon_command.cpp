#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <memory>

#include "agent/cli/agent_address.h"
#include "agent/cli/commands.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct CordonOptions {
  std::string place;
  std::string reason;
};

std::string listed(const json::object& answer, const AgentAddress& asked, bool closed) {
  auto text = fmt::format("{} is {}\n", asked.text(), closed ? "cordoned" : "uncordoned");
  if (closed) return text;
  for (const auto& item : answer.at("cordons").as_array()) {
    const auto& cordon = item.as_object();
    const auto& device = cordon.at("device");
    text += fmt::format("still cordoned: {}{}\n", asked.agent.text(),
                        device.is_string() ? "/" + std::string(device.get_string()) : "");
  }
  return text;
}

Exit change(const Context& context, const CordonOptions& options, bool close) {
  const auto asked = parse_agent_address(close ? "cordon" : "uncordon", options.place);
  json::object body;
  if (!asked.device.empty()) body["device"] = asked.device;
  if (close) {
    body["reason"] = options.reason;
    body["by"] = whoami();
  }
  const auto answer = Client(asked.agent, context.credentials)
                          .call(close ? "POST" : "DELETE", "/v1/cordon", std::move(body));
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
  uncordon->callback([&context, &run, options] {
    run = [&context, options] { return change(context, *options, false); };
  });
}

}  // namespace cardswap::cli
