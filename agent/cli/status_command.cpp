#include <fmt/format.h>

#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "agent/base/shown.h"
#include "agent/cli/commands.h"
#include "agent/cli/text.h"

namespace cardswap::cli {

namespace json = boost::json;

namespace {

/// A decision that cannot be taken back is asked for; where nobody can be asked it must be said.
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

/// As many of those that ended as asked for, or all, page by page.
json::object list_migrations(Client client, int limit, bool all) {
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

}  // namespace

void add_status_commands(CLI::App& app, Context& context, Run& run) {
  auto given = std::make_shared<std::string>();

  auto* status = app.add_subcommand(
      "status", "Migrations of this host's jobs, outgoing and incoming, or one in full");
  status->alias("migrations");
  status->add_option("migration", *given, "Migration");
  struct Shown {
    bool all = false;
    int limit = 500;
  };
  auto shown_ones = std::make_shared<Shown>();
  auto* all = status->add_flag("--all", shown_ones->all, "However many have ended");
  status->add_option("--limit", shown_ones->limit, "How many of those that ended")
      ->capture_default_str()
      ->check(CLI::Range(1, kPageMax))
      ->excludes(all);
  status->callback([&context, &run, given, shown_ones] {
    run = [&context, given, shown_ones] {
      if (given->empty()) {
        context.show(list_migrations(context.client(), shown_ones->limit, shown_ones->all),
                     migrations_table);
      } else {
        context.show(
            context.client().call("GET", "/v1/migrations/" + http::percent_encoded(*given)),
            details);
      }
      return Exit::done;
    };
  });

  auto* cancel = app.add_subcommand("cancel", "Give up a migration; its job goes on where it is");
  cancel->add_option("migration", *given, "Migration")->required();
  cancel->callback([&context, &run, given] {
    run = [&context, given] {
      context.show(
          context.client().call(
              "POST", fmt::format("/v1/migrations/{}/cancel", http::percent_encoded(*given))),
          [&](const json::object&) { return fmt::format("migration {} is cancelled\n", *given); });
      return Exit::done;
    };
  });

  struct Word {
    std::string force;
    bool yes = false;
    bool overrule = false;
  };
  auto word = std::make_shared<Word>();
  auto* resolve =
      app.add_subcommand("resolve", "Decide a migration that is in doubt, by your word");
  resolve->add_option("migration", *given, "Migration")->required();
  resolve
      ->add_option("--force", word->force,
                   "Where the job is to live; the process on the other side must be stopped")
      ->required()
      ->check(CLI::IsMember({"source", "target"}));
  resolve->add_flag("--yes,-y", word->yes, "Do not ask");
  resolve->add_flag("--overrule", word->overrule,
                    "Although the other side's agent answers and says otherwise");
  resolve->callback([&context, &run, given, word] {
    run = [&context, given, word] {
      if (!word->yes && !confirm_decision(*given, word->force)) return Exit::aborted;
      context.show(
          context.client().call(
              "POST", fmt::format("/v1/migrations/{}/resolve", http::percent_encoded(*given)),
              json::object{{"force", word->force}, {"overrule", word->overrule}}),
          [&](const json::object&) {
            return fmt::format("migration {} is forced to the {}\n", *given, word->force);
          });
      return Exit::done;
    };
  });

  auto* devices = app.add_subcommand("devices", "Devices of this host, or of HOST[:PORT]");
  devices->add_option("host", *given, "Another host's agent");
  devices->callback([&context, &run, given] {
    run = [&context, given] {
      const auto& agent = given->empty() ? context.agent : *given;
      context.show(Client(agent, context.credentials).call("GET", "/v1/devices"),
                   [&](const json::object& answer) {
                     return devices_table(answer, context.output == "wide");
                   });
      return Exit::done;
    };
  });

  auto* version = app.add_subcommand("version", "Versions of this command and of the agent");
  version->callback([&context, &run] {
    run = [&context] {
      context.show(context.client().call("GET", "/v1/version"), [](const json::object& answer) {
        auto text = fmt::format("cardswap {}, agent {} on {}\n", CARDSWAP_VERSION,
                                shown(answer.at("version").as_string()),
                                shown(answer.at("host").as_string()));
        for (const auto& warning : answer.at("warnings").as_array()) {
          text += fmt::format("warning: {}\n", shown(warning.as_string()));
        }
        return text;
      });
      return Exit::done;
    };
  });
}

}  // namespace cardswap::cli
