#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "agent/cli/commands.h"
#include "agent/cli/text.h"

namespace cardswap::cli {

namespace json = boost::json;

void add_status_commands(CLI::App& app, Context& context, Run& run) {
  auto given = std::make_shared<std::string>();

  auto* status = app.add_subcommand("status", "Migrations of this host's jobs, or one in full");
  status->add_option("migration", *given, "Migration");
  status->callback([&context, &run, given] {
    run = [&context, given] {
      if (given->empty()) {
        context.show(context.client().call("GET", "/v1/migrations"), migrations_table);
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

  auto force = std::make_shared<std::string>();
  auto* resolve =
      app.add_subcommand("resolve", "Decide a migration that is in doubt, by your word");
  resolve->add_option("migration", *given, "Migration")->required();
  resolve
      ->add_option("--force", *force,
                   "Where the job is to live; the process on the other side must be stopped")
      ->required()
      ->check(CLI::IsMember({"source", "target"}));
  resolve->callback([&context, &run, given, force] {
    run = [&context, given, force] {
      context.show(
          context.client().call(
              "POST", fmt::format("/v1/migrations/{}/resolve", http::percent_encoded(*given)),
              json::object{{"force", *force}}),
          [&](const json::object&) {
            return fmt::format("migration {} is forced to the {}\n", *given, *force);
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
                                std::string_view(answer.at("version").as_string()),
                                std::string_view(answer.at("host").as_string()));
        for (const auto& warning : answer.at("warnings").as_array()) {
          text += fmt::format("warning: {}\n", std::string_view(warning.as_string()));
        }
        return text;
      });
      return Exit::done;
    };
  });
}

}  // namespace cardswap::cli
