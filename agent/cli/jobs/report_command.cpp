#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "agent/cli/command_context.h"
#include "agent/report/html.h"
#include "agent/report/output.h"
#include "agent/report/summary.h"
#include "agent/report/trace.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct ReportOptions {
  std::string migration;
  std::string html;
  std::string trace;
};

Exit write_report(const Context& context, const ReportOptions& options) {
  if (options.html == "-" && options.trace == "-") {
    throw Error(Code::bad_request, "stdout takes one of the page and the trace",
                "name a file for the other");
  }
  auto client = context.client();
  const auto path = "/v1/migrations/" + http::percent_encoded(options.migration);
  const auto migration = client.call("GET", path);
  const auto made = report::make_report(migration, client.call("GET", path + "/timeline"));
  if (!options.html.empty()) report::write_output(options.html, report::to_html(made));
  if (!options.trace.empty()) {
    report::write_output(options.trace, json::serialize(report::to_trace(made)) + "\n");
  }
  if (options.html == "-" || options.trace == "-") return Exit::done;
  context.show(report::to_json(made), [&](const json::object&) {
    if (options.html.empty() && options.trace.empty()) return report::to_text(made);
    std::string written;
    for (const auto& file : {options.html, options.trace}) {
      if (!file.empty()) written += "wrote " + file + "\n";
    }
    return written;
  });
  return Exit::done;
}

}  // namespace

void add_report_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ReportOptions>();
  auto* command = app.add_subcommand("report", "How a migration went: what moved, when and why");
  command->add_option("migration", options->migration, "Migration")->required();
  command->add_option("--html", options->html, "Write a page that stands alone; - is stdout");
  command->add_option("--trace", options->trace,
                      "Write a trace for Perfetto or chrome://tracing; - is stdout");
  command->callback([&context, &run, options] {
    run = [&context, options] { return write_report(context, *options); };
  });
}

}  // namespace cardswap::cli
