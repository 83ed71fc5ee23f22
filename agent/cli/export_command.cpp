#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "agent/cli/command_context.h"
#include "agent/cli/fields.h"
#include "agent/cli/snapshot_name.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/safetensors_file.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct ExportOptions {
  std::string snapshot;
  std::string store;
  std::string format = "safetensors";
  std::string to;
  bool all = false;
  bool force = false;
};

std::string exported_text(const json::object& answer) {
  auto shown = fmt::format("wrote {}: {} in {} tensors\n", text(answer, "file"),
                           size(answer, "bytes"), text(answer, "tensors"));
  if (const auto left_out = count_at(answer, "left_out"); left_out > 0) {
    shown += fmt::format("left out {} of optimizers and gradients: --all has them too\n", left_out);
  }
  return shown + fmt::format("sha256 {}\n", text(answer, "sha256"));
}

Exit export_snapshot(const Context& context, const ExportOptions& options) {
  const auto in = store::open_store(options.store);
  const auto ref = find_snapshot(*in, snapshot_name_from(options.snapshot));
  store::PackCatalog catalog;
  catalog.refresh(*in);
  const store::SnapshotReader reader(*in, catalog, ref);
  const auto plan =
      tensors::plan_safetensors(reader.manifest(), ref.manifest, {.all = options.all});
  const auto written = tensors::write_safetensors(reader, plan, options.to, options.force);
  const json::object answer{{"file", options.to},
                            {"bytes", written.bytes},
                            {"sha256", to_string(written.sha256)},
                            {"tensors", plan.tensors.size()},
                            {"left_out", plan.left_out.size()},
                            {"job", ref.job},
                            {"snapshot", ref.number},
                            {"step", ref.step},
                            {"manifest", to_string(ref.manifest)},
                            {"root", to_string(reader.manifest().root)}};
  context.show(answer, exported_text);
  return Exit::done;
}

}  // namespace

void add_export_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ExportOptions>();
  auto* command = app.add_subcommand("export", "Write a snapshot's tensors to a file for others");
  command->add_option("snapshot", options->snapshot, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command->add_option("--format", options->format, "The file's format")
      ->check(CLI::IsMember({"safetensors"}))
      ->capture_default_str();
  command->add_option("--to", options->to, "File; its sum goes to FILE.sha256")->required();
  command->add_flag("--all", options->all, "Optimizers and gradients, too");
  command->add_flag("--force", options->force, "Replace the files if they exist");
  command->callback([&context, &run, options] {
    run = [&context, options] { return export_snapshot(context, *options); };
  });
}

}  // namespace cardswap::cli
