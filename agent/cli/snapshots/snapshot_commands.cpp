#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/migration_options.h"
#include "agent/cli/snapshots/await_held.h"
#include "agent/cli/snapshots/begin_restore.h"
#include "agent/cli/snapshots/begin_snapshot.h"
#include "agent/cli/snapshots/branch_name.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/protect_restored.h"
#include "agent/cli/snapshots/snapshot_json.h"
#include "agent/cli/snapshots/snapshot_name.h"
#include "agent/cli/snapshots/tensor_list.h"
#include "agent/cli/snapshots/way_back.h"
#include "migrator/store/check_store.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct SnapshotOptions {
  std::string job;
  std::string store;
  std::string tag;
  std::string wait = "durable";
  std::string timeout = "10m";
  bool no_wait = false;
};

struct ShowOptions {
  std::string snapshot;
  std::string store;
  bool tensors = false;
};

struct VerifyOptions {
  std::string store;
  std::string what;  // a job or a snapshot; empty: the whole store
};

struct RestoreOptions {
  std::string snapshot;
  std::string store;
  std::string as;
  std::string device;
  std::string user;
  std::string branch;
  std::string protect_every;
  std::string restart = "never";
  std::string of_branch;
  bool hold = false;
  std::uint64_t hold_at = 0;
};

/// Starts a migration whose target is a store, and follows it. The job trains on where it is.
Exit take(const Context& context, const SnapshotOptions& options) {
  MigrationSpec spec;
  spec.job = options.job;
  spec.store = options.store;
  spec.tag = options.tag;
  spec.max_stall_ms = 0;
  spec.timeout_ms = static_cast<double>(parse_limit("--timeout", options.timeout).count());
  auto client = context.client();
  auto begun = begin_snapshot(context, client, std::move(spec),
                              options.no_wait ? WhileBusy::refuses : WhileBusy::waits);
  return follow(context, client, std::move(begun), options.wait == "captured" ? "captured" : "");
}

void check_hold_at(std::uint64_t hold_at, const WayBack& way) {
  if (hold_at == 0 || hold_at >= way.step) return;
  throw Error(Code::bad_request,
              fmt::format("it goes back to step {}, and is to stand at step {}, before that",
                          way.step, hold_at),
              "restore the step at which it is to stand, with --hold");
}

/// On stderr: stdout has the answer.
void announce(const Context& context, const WayBack& way) {
  if (!context.quiet) std::cerr << announcement(way) << std::flush;
}

Exit restore(const Context& context, const RestoreOptions& options) {
  check_protect_every(options.protect_every);
  const auto in = store::open_store(options.store);
  const auto name = snapshot_name_from(options.snapshot);
  const HeldSnapshots reading(context, *in, name.job);  // until the agent has read it
  const auto way = find_way_back(*in, name, options.of_branch);
  const auto& ref = way.base;
  const auto hold_at = options.hold ? way.step : options.hold_at;
  check_hold_at(hold_at, way);
  const auto refs = store::refs_of(*in, name.job).refs;
  if (!options.branch.empty()) check_new_branch(refs, options.branch);
  const auto job = options.as.empty() ? name.job : options.as;
  auto body = restore_body(snapshot_json(*in, ref), options.device);
  body["name"] = job;
  body["user"] = options.user;
  body["restart"] = options.restart;
  body["branch"] = options.branch.empty() ? branch_after(refs, ref) : options.branch;
  body["store"] = options.store;
  body["hold_at"] = hold_at;
  body["again_until"] = way.steps_again() == 0 ? 0 : way.step;
  announce(context, way);
  auto client = context.client();
  auto ended = await_end(context, client, begin_restore(context, client, std::move(body)));
  add_to(ended, way);
  const RestoredJob restored{job, options.store, options.protect_every};
  if (!options.hold || !has_worked(ended)) {
    return protect_restored(context, client, restored, show_outcome(context, ended));
  }
  const auto held = await_held(context, client, job, hold_at);
  ended["held"] = held.at("held");
  const auto exit = show_outcome(context, ended);
  if (!context.quiet && !context.wants_json()) std::cout << held_text(held);
  return protect_restored(context, client, restored, exit);
}

json::array json_of(const std::vector<store::Damage>& damages) {
  json::array all;
  for (const auto& one : damages) {
    all.push_back(json::object{{"object", one.object}, {"what", one.what}});
  }
  return all;
}

/// A job whose snapshots are verified: that of `what`, or any. Empty: the store has none.
std::string job_in(store::Store& in, const std::string& what) {
  if (!what.empty()) return what.substr(0, what.find_first_of("@:"));
  const auto jobs = store::jobs_in(in);
  return jobs.empty() ? std::string() : jobs.front();
}

/// Verifies the snapshot or the snapshots of the job that `what` names; empty: the whole store.
/// Throws when the store cannot be asked: that says nothing about the snapshots.
json::object verified(store::Store& in, const std::string& what) {
  store::Workers workers(store::Workers::default_threads(), store::WorkPriority::background);
  store::Verification shared{workers};
  json::array snapshots;
  std::vector<store::Damage> damages;
  std::vector<store::Ref> refs;
  if (what.empty()) {
    damages = store::check_store(in, &shared);
    for (const auto& job : store::jobs_in(in)) {
      const auto some = store::refs_of(in, job).refs;
      refs.insert(refs.end(), some.begin(), some.end());
    }
  } else if (what.find_first_of("@:") != std::string::npos) {
    refs.push_back(find_snapshot(in, snapshot_name_from(what)));
  } else {
    auto list = store::refs_of(in, what);
    refs = std::move(list.refs);
    damages = std::move(list.damaged);
    if (refs.empty() && damages.empty()) {
      throw Error(Code::not_found,
                  fmt::format("there is no snapshot of job {} in that store", what));
    }
  }
  store::PackCatalog catalog;
  catalog.refresh(in);
  bool whole = damages.empty();
  for (const auto& ref : refs) {
    std::vector<store::Damage> found;
    try {
      found = store::SnapshotReader(in, catalog, ref).verify({}, &shared);
    } catch (const Error& error) {
      if (store::is_store_failure(error.code())) throw;
      found.push_back({store::manifest_name(ref.manifest), error.failure()});
    }
    whole = whole && found.empty();
    snapshots.push_back(json::object{{"job", ref.job},
                                     {"snapshot", ref.number},
                                     {"step", ref.step},
                                     {"damaged", json_of(found)}});
  }
  return {{"whole", whole}, {"snapshots", std::move(snapshots)}, {"damaged", json_of(damages)}};
}

std::string verified_text(const json::object& answer) {
  std::string shown;
  const auto add = [&](const json::value& list) {
    for (const auto& one : list.as_array()) {
      shown += fmt::format("  {}: {}\n", std::string_view(one.at("object").as_string()),
                           std::string_view(one.at("what").as_string()));
    }
  };
  for (const auto& one : answer.at("snapshots").as_array()) {
    const auto& damaged = one.at("damaged");
    shown += fmt::format("{}@{} (number {}): {}\n", std::string_view(one.at("job").as_string()),
                         json::serialize(one.at("step")), json::serialize(one.at("snapshot")),
                         damaged.as_array().empty() ? "verified" : "DAMAGED");
    add(damaged);
  }
  if (!answer.at("damaged").as_array().empty()) shown += "damaged besides:\n";
  add(answer.at("damaged"));
  return shown;
}

void add_snapshot(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<SnapshotOptions>();
  auto* command = app.add_subcommand(
      "snapshot", "Keep a running job's state, as of one step, in a store; the job trains on");
  command->add_option("job", options->job, "Job of this host")->required();
  command->add_option("--to", options->store, "file:/FOLDER, of the job's host")->required();
  command->add_option("--tag", options->tag, "Name of the snapshot, for people");
  command
      ->add_option("--wait", options->wait,
                   "durable: until it is in the store; captured: until the job trains on")
      ->check(CLI::IsMember({"durable", "captured"}))
      ->capture_default_str();
  command
      ->add_option("--timeout", options->timeout,
                   "Give up when the job has not trained on after this long, or none")
      ->capture_default_str();
  command->add_flag("--no-wait", options->no_wait,
                    "Refused while the job moves, or another snapshot of it is written");
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return take(context, *options); };
  });
}

void add_show(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ShowOptions>();
  auto* command = app.add_subcommand("show", "Show what a snapshot is of");
  command->add_option("snapshot", options->snapshot, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command->add_flag("--tensors", options->tensors, "Its tensors, too, and where they are");
  command->callback([&context, &run, options] {
    run = [&context, options] {
      const auto in = store::open_store(options->store);
      const auto ref = find_snapshot(*in, snapshot_name_from(options->snapshot));
      auto shown = snapshot_json(*in, ref);
      if (options->tensors) {
        shown["tensor_list"] = tensor_list(store::get_manifest(*in, ref.manifest));
      }
      context.show(shown, [](const json::object& one) {
        return snapshot_text(one) + (one.contains("tensor_list") ? tensor_table_text(one) : "");
      });
      return Exit::done;
    };
  });
}

void add_restore(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<RestoreOptions>();
  auto* command = app.add_subcommand("restore", "Start a job that goes on from a snapshot");
  command->add_option("snapshot", options->snapshot, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("--store", options->store, "file:/FOLDER, of the agent's host")->required();
  command->add_option("--as", options->as, "Name of the new job (default: the old one's)");
  command->add_option("--to", options->device, "Device to run on (default: as before)");
  command->add_option("--user", options->user, "User to run as (default: as the agent is set up)");
  command->add_option("--branch", options->branch,
                      "Name of a new branch (default: the snapshot's, where none is newer)");
  command->add_option(
      "--protect-every", options->protect_every,
      "Then protect it in the same store, with a snapshot each so many steps, or so often");
  command
      ->add_option("--restart", options->restart,
                   "never; on-failure: go on from its newest snapshot when it fails")
      ->check(CLI::IsMember({"never", "on-failure"}))
      ->capture_default_str();
  command->add_option("--of-branch", options->of_branch,
                      "Branch whose step, or latest, it is (default: the newest snapshot's)");
  auto* hold = command->add_flag("--hold", options->hold, "Stand at that step, and wait for that");
  command->add_option("--hold-at", options->hold_at, "Go on, and stand at that later step")
      ->excludes(hold);
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return restore(context, *options); };
  });
}

void add_verify(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<VerifyOptions>();
  auto* command = app.add_subcommand(
      "verify", "Read every byte of snapshots, and verify it against its digests");
  command->add_option("store", options->store, "file:/FOLDER")->required();
  command->add_option("what", options->what,
                      "JOB, JOB@STEP, JOB@latest or JOB:TAG (default: the whole store)");
  command->callback([&context, &run, options] {
    run = [&context, options] {
      const auto in = store::open_store(options->store);
      const auto job = job_in(*in, options->what);
      std::optional<HeldSnapshots> reading;
      if (!job.empty()) reading.emplace(context, *in, job);
      const auto answer = verified(*in, options->what);
      context.show(answer, verified_text);
      return answer.at("whole").as_bool() ? Exit::done : exit_for(Code::corrupt);
    };
  });
}

}  // namespace

void add_snapshot_commands(CLI::App& app, Context& context, Run& run) {
  add_snapshot(app, context, run);
  add_show(app, context, run);
  add_verify(app, context, run);
  add_restore(app, context, run);
}

}  // namespace cardswap::cli
