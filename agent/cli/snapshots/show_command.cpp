#include <boost/json.hpp>
#include <memory>
#include <string>

#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/snapshot_json.h"
#include "agent/cli/snapshots/snapshot_name.h"
#include "agent/cli/snapshots/tensor_list.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/open_store.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct ShowOptions {
  std::string snapshot;
  std::string store;
  bool tensors = false;
};

Exit show_snapshot(const Context& context, const ShowOptions& options) {
  const auto in = store::open_store(options.store);
  const auto ref = find_snapshot(*in, snapshot_name_from(options.snapshot));
  auto shown = snapshot_json(*in, ref);
  if (options.tensors) {
    shown["tensor_list"] = tensor_list(store::get_manifest(*in, ref.manifest));
  }
  context.show(shown, [](const json::object& one) {
    return snapshot_text(one) + (one.contains("tensor_list") ? tensor_table_text(one) : "");
  });
  return Exit::done;
}

}  // namespace

void add_show_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ShowOptions>();
  auto* command = app.add_subcommand("show", "Show what a snapshot is of");
  command->add_option("snapshot", options->snapshot, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command->add_flag("--tensors", options->tensors, "Its tensors, too, and where they are");
  command->callback([&context, &run, options] {
    run = [&context, options] { return show_snapshot(context, *options); };
  });
}

}  // namespace cardswap::cli
