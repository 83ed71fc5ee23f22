#include <boost/json.hpp>
#include <memory>

#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/history_graph.h"
#include "agent/cli/snapshots/snapshot_json.h"
#include "agent/report/output.h"
#include "migrator/store/open_store.h"

namespace cardswap::cli {
namespace {

struct HistoryOptions {
  std::string job;
  std::string store;
  bool graph = false;
  std::string dot;
  std::string html;
};

Exit show_history(const Context& context, const HistoryOptions& options) {
  if (options.dot == "-" && options.html == "-") {
    throw Error(Code::bad_request, "stdout takes one of the page and the graph",
                "name a file for the other");
  }
  const auto in = store::open_store(options.store);
  const auto history = history_of(*in, options.job);
  if (!options.html.empty()) report::write_output(options.html, history_page(history));
  if (!options.dot.empty()) report::write_output(options.dot, history_dot(history));
  if (options.html == "-" || options.dot == "-") return Exit::done;
  context.show(history, [&](const boost::json::object& shown) {
    std::string written;
    for (const auto& file : {options.html, options.dot}) {
      if (!file.empty()) written += "wrote " + file + "\n";
    }
    if (options.graph) return history_graph(shown) + written;
    return written.empty() ? history_table(shown) : written;
  });
  return Exit::done;
}

}  // namespace

void add_history_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<HistoryOptions>();
  auto* command = app.add_subcommand("history", "List a job's snapshots in a store");
  command->add_option("job", options->job, "Job, which need not run")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command->add_flag("--graph", options->graph, "Draw which snapshot came after which");
  command->add_option("--dot", options->dot, "Write the graph for Graphviz; - is stdout");
  command->add_option("--html", options->html, "Write a page that stands alone; - is stdout");
  command->callback([&context, &run, options] {
    run = [&context, options] { return show_history(context, *options); };
  });
}

}  // namespace cardswap::cli
