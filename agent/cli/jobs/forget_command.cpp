#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include "agent/cli/command_context.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

void forget_one(const Context& context, const std::string& name) {
  context.show(context.client().call("DELETE", "/v1/jobs/" + http::percent_encoded(name)),
               [](const json::object&) { return std::string(); });
}

/// Reports a job that cannot be forgotten, and goes on with the others.
Exit forget_ended(const Context& context) {
  const auto listed = context.client().call("GET", "/v1/jobs");
  std::set<std::string> names;
  for (const auto& item : listed.at("jobs").as_array()) {
    if (is_over(item.as_object())) names.emplace(item.at("name").as_string());
  }
  json::array forgotten;
  auto exit = Exit::done;
  for (const auto& name : names) {
    try {
      context.client().call("DELETE", "/v1/jobs/" + http::percent_encoded(name));
      forgotten.emplace_back(name);
    } catch (const Error& error) {
      if (error.code() != Code::conflict) throw;
      std::cerr << "cardswap: " << error.what() << "\n";
      exit = exit_for(error.code());
    }
  }
  context.show(json::object{{"forgotten", forgotten}}, [](const json::object& answer) {
    return fmt::format("{} forgotten\n", answer.at("forgotten").as_array().size());
  });
  return exit;
}

}  // namespace

void add_forget_command(CLI::App& app, Context& context, Run& run) {
  struct Options {
    std::string name;
    bool ended = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("forget", "Drop the record of a job that has ended");
  auto* name = command->add_option("name", options->name, "Job");
  command->add_flag("--ended", options->ended, "Of every job that is over, however it ended")
      ->excludes(name);
  command->callback([&context, &run, options] {
    run = [&context, options] {
      if (options->ended) return forget_ended(context);
      if (options->name.empty()) {
        throw Error(Code::bad_request, "forget which job?", "cardswap forget NAME, or --ended");
      }
      forget_one(context, options->name);
      return Exit::done;
    };
  });
}

}  // namespace cardswap::cli
