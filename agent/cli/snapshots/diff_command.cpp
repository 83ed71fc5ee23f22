#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/diff_json.h"
#include "agent/cli/snapshots/diff_text.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/snapshot_json.h"
#include "agent/cli/snapshots/snapshot_name.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::cli {
namespace {

constexpr std::uint64_t kValueBytesMax = 1U << 30;  // in memory, of each

struct DiffOptions {
  std::string before;
  std::string after;
  std::string store;
  bool tensors = false;
  std::size_t top = 20;
};

/// Whether counters, generators and what else is no region differ. Null: they are too large to
/// tell.
boost::json::value values_differ(const store::SnapshotReader& before,
                                 const store::SnapshotReader& after) {
  const auto size = before.manifest().value_bytes;
  if (size != after.manifest().value_bytes) return true;
  if (before.manifest().values == after.manifest().values) return false;
  if (size > kValueBytesMax) return nullptr;
  Compressor compressor;
  return before.values(compressor) != after.values(compressor);
}

Exit show_diff(const Context& context, const DiffOptions& options) {
  const auto in = store::open_store(options.store);
  const auto before_name = snapshot_name_from(options.before);
  const HeldSnapshots reading(context, *in, before_name.job);
  const auto before_ref = find_snapshot(*in, before_name);
  const auto after_ref = find_snapshot(*in, snapshot_name_from(options.after));
  store::PackCatalog catalog;
  catalog.refresh(*in);
  const store::SnapshotReader before(*in, catalog, before_ref);
  const store::SnapshotReader after(*in, catalog, after_ref);
  std::optional<std::vector<tensors::ComparedTensor>> tensors;
  if (options.tensors) tensors = tensors::compare_tensors(before, after);
  auto all = diff_json(tensors::compare_snapshots(before, after), tensors, options.top);
  all["before"] = snapshot_json(*in, before_ref);
  all["after"] = snapshot_json(*in, after_ref);
  all["values_differ"] = values_differ(before, after);
  context.show(all, diff_text);
  return Exit::done;
}

}  // namespace

void add_diff_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<DiffOptions>();
  auto* command = app.add_subcommand("diff", "Tell what differs between two snapshots of a store");
  command->add_option("before", options->before, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("after", options->after, "Another one, of any job")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command->add_flag("--tensors", options->tensors, "Compare the numbers of each tensor, too");
  command->add_option("--top", options->top, "How many tensors are shown")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->callback([&context, &run, options] {
    run = [&context, options] { return show_diff(context, *options); };
  });
}

}  // namespace cardswap::cli
