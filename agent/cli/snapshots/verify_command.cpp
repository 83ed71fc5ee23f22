#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/damage_json.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/read_whole.h"
#include "agent/cli/snapshots/snapshot_name.h"
#include "agent/cli/text/fields.h"
#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/open_store.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct VerifyOptions {
  std::string store;
  std::string what;  // a job or a snapshot; empty: the whole store
};

/// What is verified of a store, and what of it is found damaged before a snapshot is read.
struct Verified {
  std::vector<store::Ref> refs;
  std::vector<store::Damage> damaged;
};

Verified all_of(store::Store& in, store::Verification& shared) {
  Verified all{{}, store::check_store(in, &shared)};
  for (const auto& job : store::jobs_in(in)) {
    const auto some = store::refs_of(in, job).refs;
    all.refs.insert(all.refs.end(), some.begin(), some.end());
  }
  return all;
}

Verified those_of_job(store::Store& in, const std::string& job) {
  auto list = store::refs_of(in, job);
  if (list.refs.empty() && list.damaged.empty()) {
    throw Error(Code::not_found, fmt::format("there is no snapshot of job {} in that store", job));
  }
  return {std::move(list.refs), std::move(list.damaged)};
}

/// What `what` names: a snapshot, those of a job, or, where it is empty, the whole store.
Verified chosen_by(store::Store& in, const std::string& what, store::Verification& shared) {
  if (what.empty()) return all_of(in, shared);
  const bool is_snapshot = what.find_first_of("@:") != std::string::npos;
  if (!is_snapshot) return those_of_job(in, what);
  return {{find_snapshot(in, snapshot_name_from(what))}, {}};
}

/// A job whose snapshots are verified: that of `what`, or any. Empty: the store has none.
std::string job_in(store::Store& in, const std::string& what) {
  if (!what.empty()) return what.substr(0, what.find_first_of("@:"));
  const auto jobs = store::jobs_in(in);
  return jobs.empty() ? std::string() : jobs.front();
}

/// Reads every byte of what `what` names. Throws when the store cannot be asked: that says nothing
/// about the snapshots.
json::object verified(store::Store& in, const std::string& what) {
  store::Workers workers(store::Workers::default_threads(), store::WorkPriority::background);
  store::Verification shared{workers};
  const auto wanted = chosen_by(in, what, shared);
  store::PackCatalog catalog;
  catalog.refresh(in);
  bool whole = wanted.damaged.empty();
  json::array snapshots;
  for (const auto& ref : wanted.refs) {
    const auto found = read_whole(in, catalog, ref, shared);
    whole = whole && found.empty();
    snapshots.push_back(json::object{{"job", ref.job},
                                     {"snapshot", ref.number},
                                     {"step", ref.step},
                                     {"damaged", damage_json(found)}});
  }
  return {{"whole", whole},
          {"snapshots", std::move(snapshots)},
          {"damaged", damage_json(wanted.damaged)}};
}

std::string verified_text(const json::object& answer) {
  std::string shown;
  for (const auto& item : array_at(answer, "snapshots")) {
    const auto& one = item.as_object();
    shown += fmt::format("{}@{} (number {}): {}\n", text(one, "job"), text(one, "step"),
                         text(one, "snapshot"),
                         array_at(one, "damaged").empty() ? "verified" : "DAMAGED");
    shown += damage_lines(one, "  ");
  }
  if (!array_at(answer, "damaged").empty()) shown += "damaged besides:\n";
  return shown + damage_lines(answer, "  ");
}

Exit verify(const Context& context, const VerifyOptions& options) {
  const auto in = store::open_store(options.store);
  const auto job = job_in(*in, options.what);
  std::optional<HeldSnapshots> reading;
  if (!job.empty()) reading.emplace(context, *in, job);
  const auto answer = verified(*in, options.what);
  context.show(answer, verified_text);
  return answer.at("whole").as_bool() ? Exit::done : exit_for(Code::corrupt);
}

}  // namespace

void add_verify_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<VerifyOptions>();
  auto* command = app.add_subcommand(
      "verify", "Read every byte of snapshots, and verify it against its digests");
  command->add_option("store", options->store, "file:/FOLDER")->required();
  command->add_option("what", options->what,
                      "JOB, JOB@STEP, JOB@latest or JOB:TAG (default: the whole store)");
  command->callback([&context, &run, options] {
    run = [&context, options] { return verify(context, *options); };
  });
}

}  // namespace cardswap::cli
