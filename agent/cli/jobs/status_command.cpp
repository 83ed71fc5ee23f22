#include <fmt/format.h>

#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "agent/base/printable.h"
#include "agent/cli/command_context.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {

namespace json = boost::json;

namespace {

/// Asks before a decision that cannot be undone. Throws Error{bad_request} without a terminal:
/// --yes is needed then.
bool confirm_decision(const std::string& migration, const std::string& to) {
  const auto other = to == "source" ? "target" : "source";
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(
        Code::bad_request,
        fmt::format("to force migration {} to the {} needs a yes", migration, to),
        fmt::format("add --yes once the process on the {}'s host is stopped and stays so", other));
  }
  std::cerr << fmt::format(
      "Force migration {} to the {}? Two copies train if the {}'s process runs, or comes back. "
      "[y/N] ",
      migration, to, other);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

constexpr int kPageMax = 5000;  // of the API

/// The migrations with at most `limit` of those that have ended, or all, page by page.
json::object fetch_migrations(Client client, int limit, bool all) {
  const auto path = fmt::format("/v1/migrations?incoming=1&limit={}", all ? kPageMax : limit);
  auto answer = client.call("GET", path);
  while (all) {
    const auto* left_out = answer.if_contains("left_out");
    auto& list = answer.at("migrations").as_array();
    if (left_out == nullptr || *left_out == 0 || list.empty()) break;
    const auto last = std::string(list.back().at("id").as_string());
    auto more = client.call("GET", path + "&before=" + http::percent_encoded(last));
    for (auto& migration : more.at("migrations").as_array()) list.push_back(std::move(migration));
    answer["left_out"] = more.at("left_out");
  }
  return answer;
}

void add_status(CLI::App& app, Context& context, Run& run) {
  struct Options {
    std::string migration;
    bool all = false;
    int limit = 500;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand(
      "status", "Migrations of this host's jobs, outgoing and incoming, or one in full");
  command->alias("migrations");
  command->add_option("migration", options->migration, "Migration");
  auto* all = command->add_flag("--all", options->all, "However many have ended");
  command->add_option("--limit", options->limit, "How many of those that ended")
      ->capture_default_str()
      ->check(CLI::Range(1, kPageMax))
      ->excludes(all);
  command->callback([&context, &run, options] {
    run = [&context, options] {
      if (options->migration.empty()) {
        context.show(fetch_migrations(context.client(), options->limit, options->all),
                     migrations_table);
      } else {
        context.show(context.client().call(
                         "GET", "/v1/migrations/" + http::percent_encoded(options->migration)),
                     details);
      }
      return Exit::done;
    };
  });
}

void add_cancel(CLI::App& app, Context& context, Run& run) {
  auto migration = std::make_shared<std::string>();
  auto* command = app.add_subcommand("cancel", "Give up a migration; its job goes on where it is");
  command->add_option("migration", *migration, "Migration")->required();
  command->callback([&context, &run, migration] {
    run = [&context, migration] {
      const auto path = fmt::format("/v1/migrations/{}/cancel", http::percent_encoded(*migration));
      context.show(context.client().call("POST", path), [&](const json::object&) {
        return fmt::format("migration {} is cancelled\n", *migration);
      });
      return Exit::done;
    };
  });
}

struct ResolveOptions {
  std::string migration;
  std::string force;
  bool yes = false;
  bool overrule = false;
};

Exit resolve(const Context& context, const ResolveOptions& options) {
  if (!options.yes && !confirm_decision(options.migration, options.force)) return Exit::aborted;
  const auto path =
      fmt::format("/v1/migrations/{}/resolve", http::percent_encoded(options.migration));
  context.show(
      context.client().call("POST", path,
                            json::object{{"force", options.force}, {"overrule", options.overrule}}),
      [&](const json::object&) {
        return fmt::format("migration {} is forced to the {}\n", options.migration, options.force);
      });
  return Exit::done;
}

void add_resolve(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ResolveOptions>();
  auto* command =
      app.add_subcommand("resolve", "Decide a migration that is in doubt, by your word");
  command->add_option("migration", options->migration, "Migration")->required();
  command
      ->add_option("--force", options->force,
                   "Where the job is to live; the process on the other side must be stopped")
      ->required()
      ->check(CLI::IsMember({"source", "target"}));
  command->add_flag("--yes,-y", options->yes, "Do not ask");
  command->add_flag("--overrule", options->overrule,
                    "Although the other side's agent answers and says otherwise");
  command->callback([&context, &run, options] {
    run = [&context, options] { return resolve(context, *options); };
  });
}

void add_devices(CLI::App& app, Context& context, Run& run) {
  auto host = std::make_shared<std::string>();
  auto* command = app.add_subcommand("devices", "Devices of this host, or of HOST[:PORT]");
  command->add_option("host", *host, "Another host's agent");
  command->callback([&context, &run, host] {
    run = [&context, host] {
      const auto& agent = host->empty() ? context.agent : *host;
      context.show(Client(agent, context.credentials).call("GET", "/v1/devices"),
                   [&](const json::object& answer) {
                     return devices_table(answer, context.output == "wide");
                   });
      return Exit::done;
    };
  });
}

std::string versions_text(const json::object& answer) {
  auto text = fmt::format("cardswap {}, agent {} on {}\n", CARDSWAP_VERSION,
                          printable(answer.at("version").as_string()),
                          printable(answer.at("host").as_string()));
  for (const auto& warning : answer.at("warnings").as_array()) {
    text += fmt::format("warning: {}\n", printable(warning.as_string()));
  }
  return text;
}

void add_version(CLI::App& app, Context& context, Run& run) {
  auto* command = app.add_subcommand("version", "Versions of this command and of the agent");
  command->callback([&context, &run] {
    run = [&context] {
      context.show(context.client().call("GET", "/v1/version"), versions_text);
      return Exit::done;
    };
  });
}

}  // namespace

void add_status_commands(CLI::App& app, Context& context, Run& run) {
  add_status(app, context, run);
  add_cancel(app, context, run);
  add_resolve(app, context, run);
  add_devices(app, context, run);
  add_version(app, context, run);
}

}  // namespace cardswap::cli
