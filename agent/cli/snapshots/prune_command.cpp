#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <map>
#include <memory>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/text/fields.h"
#include "agent/process/job_user.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"
#include "migrator/store/job_retention.h"
#include "migrator/store/keep_rule_text.h"
#include "migrator/store/names.h"
#include "migrator/store/open_store.h"
#include "migrator/store/prune.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kVerifiedMin = 2;  // of a branch that gives snapshots up

struct PruneOptions {
  std::string job;
  std::string store;
  std::string keep = store::to_string(store::KeepRule{});
  std::string grace = "24h";
  bool dry_run = false;
};

/// The objects that root makes in somebody's store could not be removed by that user's jobs later:
/// root becomes the store's owner.
void act_as_owner_of(const std::string& address) {
  const auto file = address.substr(address.find(':') + 1) + "/" + store::kStoreFile;
  struct stat about {};
  if (::geteuid() != 0 || ::stat(file.c_str(), &about) != 0 || about.st_uid == 0) return;
  const JobUser owner{"", "", about.st_uid, about.st_gid, {about.st_gid}};
  if (!become_user(owner)) throw os_error("become the owner of " + file);
}

/// Reads the two newest snapshots of each branch that gives some up, byte by byte. Returns what is
/// damaged; throws when the store cannot be asked.
std::vector<store::Damage> read_those_that_stay(const Context& context, store::Store& in,
                                                const std::string& job,
                                                const std::set<std::uint64_t>& surplus) {
  const HeldSnapshots reading(context, in, job);  // ends before the prune, which would wait for it
  const auto refs = store::refs_of(in, job).refs;
  std::set<std::string> branches;
  for (const auto& ref : refs) {
    if (surplus.contains(ref.number)) branches.insert(ref.branch);
  }
  store::PackCatalog catalog;
  catalog.refresh(in);
  store::Workers workers(store::Workers::default_threads(), store::WorkPriority::background);
  store::Verification shared{workers};
  std::map<std::string, std::size_t> read;
  std::vector<store::Damage> damaged;
  for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
    if (!branches.contains(ref->branch) || read[ref->branch]++ >= kVerifiedMin) continue;
    try {
      for (auto& one : store::SnapshotReader(in, catalog, *ref).verify({}, &shared)) {
        damaged.push_back(std::move(one));
      }
    } catch (const Error& error) {
      if (store::is_store_failure(error.code())) throw;
      damaged.push_back({to_string(ref->manifest), error.failure()});
    }
  }
  return damaged;
}

std::uint64_t bytes_of(store::Store& in, const std::vector<std::string>& names) {
  std::uint64_t bytes = 0;
  for (const auto& name : names) bytes += in.size_of(name).value_or(0);
  return bytes;
}

json::array damage_json(const std::vector<store::Damage>& damaged) {
  json::array all;
  for (const auto& one : damaged) {
    all.push_back(json::object{{"object", one.object}, {"what", one.what}});
  }
  return all;
}

json::array given_up_json(store::Store& in, const std::string& job,
                          const std::set<std::uint64_t>& surplus) {
  json::array all;
  for (const auto& ref : store::refs_of(in, job).refs) {
    if (!surplus.contains(ref.number)) continue;
    all.push_back(
        json::object{{"snapshot", ref.number}, {"step", ref.step}, {"branch", ref.branch}});
  }
  return all;
}

json::object pruned(const Context& context, const PruneOptions& options) {
  const auto rule = store::keep_rule_from(options.keep);
  store::PruneOrder order;
  order.grace_s = parse_duration("--grace", options.grace).count() / 1000;
  order.now_s = unix_ms() / 1000;
  act_as_owner_of(options.store);
  const auto in = store::open_store(options.store);
  json::object answer{{"job", options.job}, {"dry_run", options.dry_run}};
  const auto surplus = store::surplus_in(*in, options.job, rule, store::was_read_back_when_written);
  auto damaged = surplus.damaged;
  if (damaged.empty()) damaged = read_those_that_stay(context, *in, options.job, surplus.numbers);
  answer["snapshots"] =
      damaged.empty() ? given_up_json(*in, options.job, surplus.numbers) : json::array();
  order.surplus[options.job] = surplus.numbers;
  order.dry_run = true;
  store::PruneReport report;
  std::uint64_t removed_bytes = 0;
  if (damaged.empty()) {
    report = store::prune(*in, order);  // what is removed has no size afterwards
    removed_bytes = bytes_of(*in, report.removed);
    order.dry_run = options.dry_run;
    if (!order.dry_run) report = store::prune(*in, order);
    damaged = report.damaged;
  }
  answer["trashed"] = report.trashed.size();
  answer["trashed_bytes"] = bytes_of(*in, report.trashed);
  answer["removed"] = report.removed.size();
  answer["removed_bytes"] = removed_bytes;
  answer["waits"] = json::array(report.waits.begin(), report.waits.end());
  answer["damaged"] = damage_json(damaged);
  return answer;
}

std::string pruned_text(const json::object& answer) {
  const bool would = flag_at(answer, "dry_run");
  std::string shown;
  for (const auto& item : array_at(answer, "damaged")) {
    const auto& one = item.as_object();
    shown += fmt::format("damaged: {}: {}\n", text(one, "object"), text(one, "what"));
  }
  if (!shown.empty()) return shown + "nothing is removed while something is damaged\n";
  for (const auto& item : array_at(answer, "snapshots")) {
    const auto& one = item.as_object();
    shown += fmt::format("snapshot {} of step {}, branch {}, {}\n", text(one, "snapshot"),
                         text(one, "step"), text(one, "branch"), would ? "would go" : "goes");
  }
  shown += fmt::format("{} into trash: {} objects, {}\n", would ? "would go" : "went",
                       text(answer, "trashed"), size(answer, "trashed_bytes"));
  shown += fmt::format("{} removed from trash: {} objects, {}\n", would ? "would be" : "were",
                       text(answer, "removed"), size(answer, "removed_bytes"));
  for (const auto& intent : array_at(answer, "waits")) {
    const std::string_view name(intent.as_string());
    const bool reads = store::is_reader(name.substr(name.rfind('/') + 1));
    shown += fmt::format("waits for {}, which {}\n", name, reads ? "reads" : "writes");
  }
  return shown;
}

}  // namespace

void add_prune_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<PruneOptions>();
  auto* command = app.add_subcommand("prune", "Give up a job's snapshots that need not be kept");
  command->add_option("job", options->job, "Job, which need not run")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command
      ->add_option("--keep", options->keep,
                   "Snapshots of each branch that are kept; all: every one")
      ->capture_default_str();
  command
      ->add_option("--grace", options->grace,
                   "How long they stay in the store's trash before they are removed")
      ->capture_default_str();
  command->add_flag("--dry-run", options->dry_run, "Only tell what would go");
  command->callback([&context, &run, options] {
    run = [&context, options] {
      const auto answer = pruned(context, *options);
      context.show(answer, pruned_text);
      return array_at(answer, "damaged").empty() ? Exit::done : exit_for(Code::corrupt);
    };
  });
}

}  // namespace cardswap::cli
