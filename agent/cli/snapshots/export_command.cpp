#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "agent/base/state_digest_json.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/snapshot_name.h"
#include "agent/cli/text/fields.h"
#include "migrator/base/error.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/hugging_face.h"
#include "migrator/tensors/safetensors_file.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr const char* kSafetensors = "safetensors";
constexpr const char* kHuggingFace = "hf";

struct ExportOptions {
  std::string snapshot;
  std::string store;
  std::string format = kSafetensors;
  std::string to;
  std::string shard_size = "5GB";
  tensors::ExportScope scope;
  bool force = false;
};

std::string exported_text(const json::object& answer) {
  auto shown = fmt::format("wrote {}: {} in {} tensors\n", text(answer, "file"),
                           size(answer, "bytes"), text(answer, "tensors"));
  if (const auto tied = count_at(answer, "tied"); tied > 0) {
    shown += fmt::format("{} tied to one of them: --untie writes each whole\n", tied);
  }
  if (const auto left_out = count_at(answer, "left_out"); left_out > 0) {
    shown += fmt::format(
        "left out {} of optimizers, gradients and buffers that no state_dict has: --all has them "
        "too\n",
        left_out);
  }
  for (const auto& name : array_at(answer, "files")) {
    shown += fmt::format("  {}\n", std::string_view(name.as_string()));
  }
  return answer.contains("sha256") ? shown + fmt::format("sha256 {}\n", text(answer, "sha256"))
                                   : shown;
}

/// A folder has one model: the one that was named, or the only one.
std::string the_model(const Layout& layout, const std::string& named) {
  if (!named.empty()) return named;
  const auto modules = tensors::modules_in(layout);
  if (modules.size() == 1) return modules.front();
  if (modules.empty()) {
    throw Error(Code::refused, "the snapshot has no model that a folder could be made of",
                "--format safetensors writes its memory; --thing names a part of it");
  }
  throw Error(
      Code::refused,
      fmt::format("the snapshot has {} models: {}", modules.size(), fmt::join(modules, ", ")),
      "name one of them with --thing");
}

json::object write_file(const store::SnapshotReader& reader, const store::ObjectId& manifest,
                        const tensors::ExportChoice& choice, const ExportOptions& options) {
  const auto plan = tensors::plan_safetensors(reader.manifest(), manifest, choice);
  const auto written = tensors::write_safetensors(reader, plan, options.to, options.force);
  return {{"bytes", written.bytes}, {"sha256", to_string(written.sha256)}};
}

json::object write_folder(const store::SnapshotReader& reader, const store::ObjectId& manifest,
                          const tensors::ExportChoice& choice, const ExportOptions& options) {
  const auto plans = tensors::plan_shards(reader.manifest(), manifest, choice,
                                          parse_size("--shard-size", options.shard_size));
  const auto written = tensors::write_model(reader, plans, tensors::attached_files(reader),
                                            options.to, options.force);
  json::array files;
  for (const auto& name : written.files) files.emplace_back(name);
  return {{"bytes", written.bytes}, {"files", std::move(files)}};
}

Exit export_snapshot(const Context& context, const ExportOptions& options) {
  const auto in = store::open_store(options.store);
  const auto name = snapshot_name_from(options.snapshot);
  const HeldSnapshots reading(context, *in, name.job);
  const auto ref = find_snapshot(*in, name);
  store::PackCatalog catalog;
  catalog.refresh(*in);
  const store::SnapshotReader reader(*in, catalog, ref);
  auto scope = options.scope;
  const bool is_folder = options.format == kHuggingFace;
  if (is_folder) scope.thing = the_model(reader.manifest().layout, scope.thing);
  const auto choice = tensors::choose_tensors(reader.manifest(), scope);
  json::object answer{{"file", options.to},
                      {"tensors", choice.tensors.size()},
                      {"tied", scope.untie ? 0 : choice.ties.size()},
                      {"left_out", choice.left_out.size()},
                      {"job", ref.job},
                      {"snapshot", ref.number},
                      {"step", ref.step},
                      {"manifest", to_string(ref.manifest)}};
  put_state_digest(answer, json::value(to_string(reader.manifest().state_digest)));
  for (auto& item : is_folder ? write_folder(reader, ref.manifest, choice, options)
                              : write_file(reader, ref.manifest, choice, options)) {
    answer[item.key()] = item.value();
  }
  context.show(answer, exported_text);
  return Exit::done;
}

}  // namespace

void add_export_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ExportOptions>();
  auto* command = app.add_subcommand("export", "Write a snapshot's tensors to files for others");
  command->add_option("snapshot", options->snapshot, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command
      ->add_option(
          "--format", options->format,
          "safetensors: one file; hf: a folder of shards, as Hugging Face's libraries read")
      ->check(CLI::IsMember({kSafetensors, kHuggingFace}))
      ->capture_default_str();
  command->add_option("--to", options->to, "File, or folder; each file's sum goes to FILE.sha256")
      ->required();
  command->add_option("--shard-size", options->shard_size, "Most bytes of tensors in a shard")
      ->capture_default_str();
  command->add_option("--thing", options->scope.thing,
                      "Only this tracked thing, such as model (default: all, hf: the only model)");
  command->add_flag("--untie", options->scope.untie, "Write tied tensors each, not once");
  command->add_flag("--all", options->scope.all,
                    "Optimizers, gradients and buffers that no state_dict has, too");
  command->add_flag("--force", options->force, "Replace the files if they exist");
  command->callback([&context, &run, options] {
    run = [&context, options] { return export_snapshot(context, *options); };
  });
}

}  // namespace cardswap::cli
