#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <utility>

#include "agent/base/state_digest_json.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/migration_options.h"
#include "agent/cli/snapshots/await_held.h"
#include "agent/cli/snapshots/begin_restore.h"
#include "agent/cli/snapshots/diff_json.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/snapshot_json.h"
#include "agent/cli/snapshots/way_back.h"
#include "agent/cli/text/fields.h"
#include "agent/handover/base/migration_body.h"
#include "migrator/base/error.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kStopMax{40};
constexpr std::size_t kJobNameMax = 63;
constexpr std::string_view kScratchEnd = "-recompute";
constexpr std::size_t kRegionsNamed = 20;

struct RecomputeOptions {
  std::string job;
  std::string from;
  std::string to;
  std::string store;
  std::string as;
  std::string device;
  std::string user;
};

/// The snapshots that are compared, behind the one from which the program starts.
struct Course {
  store::Ref from;
  std::vector<store::Ref> compared;  ///< by step; there may be several of one
};

store::Ref one_of(const std::vector<store::Ref>& line, const std::string& step,
                  const store::Ref& otherwise) {
  if (step.empty()) return otherwise;
  const auto found = std::ranges::find_if(
      line, [&](const store::Ref& ref) { return std::to_string(ref.step) == step; });
  if (found != line.end()) return *found;
  throw Error(Code::not_found,
              fmt::format("there is no snapshot of step {} among those from which job {} came to "
                          "be where it is",
                          step, otherwise.job),
              "`cardswap history --graph` shows them");
}

Course course_of(store::Store& in, const RecomputeOptions& options) {
  const auto line = find_line(in, options.job, {});
  const auto to = one_of(line, options.to, line.front());
  const auto before =
      std::ranges::find_if(line, [&](const store::Ref& ref) { return ref.step < to.step; });
  if (before == line.end()) {
    throw Error(Code::bad_request,
                fmt::format("before step {} job {} has no snapshot", to.step, options.job),
                "two snapshots are needed: one to start from, and one to compare with");
  }
  Course course{one_of(line, options.from, *before), {}};
  for (auto ref = line.rbegin(); ref != line.rend(); ++ref) {
    if (ref->step > course.from.step && ref->step <= to.step) course.compared.push_back(*ref);
  }
  std::ranges::stable_sort(course.compared, {}, &store::Ref::step);
  if (course.compared.empty()) {
    throw Error(Code::bad_request, "--from is to be an earlier step than --to");
  }
  return course;
}

/// The job that computes. Once it is begun it goes with this object, however the command ends.
class ScratchJob {
 public:
  ScratchJob(Client client, std::string name)
      : client_(std::move(client)), name_(std::move(name)) {}
  ~ScratchJob() {
    if (!is_begun_) return;
    try {
      const auto path = "/v1/jobs/" + http::percent_encoded(name_);
      (void)client_.call("POST", path + "/stop", json::object{{"grace_ms", 0}}, kStopMax);
      (void)client_.call("DELETE", path);
    } catch (const std::exception& error) {
      std::cerr << fmt::format(
          "cardswap: job {} is left: {}; `cardswap stop {}` ends it where it runs\n", name_,
          error.what(), name_);
    }
  }
  ScratchJob(const ScratchJob&) = delete;
  ScratchJob& operator=(const ScratchJob&) = delete;

  void note_begun() { is_begun_ = true; }
  /// It never ran: its record, which says why, stays.
  void note_failed() { is_begun_ = false; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  Client client_;
  const std::string name_;
  bool is_begun_ = false;
};

std::string scratch_name(const RecomputeOptions& options) {
  if (!options.as.empty()) return options.as;
  return options.job.substr(0, kJobNameMax - kScratchEnd.size()) + std::string(kScratchEnd);
}

json::object start_body(store::Store& in, const RecomputeOptions& options, const Course& course) {
  auto body = restore_body(snapshot_json(in, course.from), options.device);
  body["name"] = scratch_name(options);
  body["user"] = options.user;
  body["branch"] = "main";
  body["store"] = options.store;
  body["hold_at"] = course.compared.front().step;
  body["again_until"] = course.compared.back().step;
  return body;
}

/// The state digest of each of the snapshots that are compared.
std::vector<std::string> digests_of(store::Store& in, const Course& course) {
  std::vector<std::string> digests;
  for (const auto& ref : course.compared) {
    const auto theirs = store::get_manifest(in, ref.manifest);
    if (theirs.chunk_bytes != kSnapshotChunkBytes) {
      throw Error(Code::refused, fmt::format("the snapshot of step {} has chunks of another size: "
                                             "its digest cannot be compared",
                                             ref.step));
    }
    digests.push_back(to_string(theirs.state_digest));
  }
  return digests;
}

/// Asks for the restore of the job. An agent that is silent, or a user who leaves before it has
/// answered, may leave the job.
json::object begin_job(const Context& context, Client& client, ScratchJob& job, json::object body) {
  try {
    auto begun = begin_restore(context, client, std::move(body));
    job.note_begun();
    return begun;
  } catch (const Error& error) {
    const bool may_be_there = error.code() == Code::timed_out || error.code() == Code::link_lost ||
                              error.code() == Code::cancelled || error.code() == Code::in_doubt;
    if (!may_be_there) throw;
    throw Error(error.code(), error.failure(),
                fmt::format("`cardswap jobs` tells whether job {} is there; `cardswap stop {}` "
                            "ends it",
                            job.name(), job.name()));
  }
}

/// Keeps the state that came out otherwise, and says what of it differs.
json::object difference_at(const Context& context, Client& client, store::Store& in,
                           const RecomputeOptions& options, const store::Ref& theirs) {
  MigrationSpec spec;
  spec.job = scratch_name(options);
  spec.store = options.store;
  spec.max_stall_ms = 0;
  const auto kept =
      await_end(context, client, client.call("POST", "/v1/migrations", request_body(spec)));
  json::object found{{"step", theirs.step}, {"snapshot", theirs.number}};
  if (!has_worked(kept)) {
    found["not_kept"] = kept.at("error");
    return found;
  }
  store::PackCatalog catalog;
  catalog.refresh(in);
  const store::SnapshotReader before(in, catalog, theirs);
  const store::SnapshotReader after(in, catalog, store::object_id_from(text_at(kept, "manifest")));
  const auto compared = tensors::compare_snapshots(before, after);
  json::array regions;
  for (const auto& one : compared.regions) regions.emplace_back(one.name());
  for (const auto& one : compared.chunks) regions.emplace_back(one.region);
  Compressor compressor;
  found["regions"] = std::move(regions);
  found["values_differ"] = before.values(compressor) != after.values(compressor);
  found["kept_as"] = fmt::format("{}@{}", spec.job, theirs.step);
  return found;
}

std::string recomputed_text(const json::object& answer) {
  const auto* differs = value_at(answer, "first_difference");
  if (differs == nullptr) {
    const auto identical = number_at<std::uint64_t>(answer, "identical_snapshots");
    return fmt::format("identical: from step {}, {} up to step {}\n", text(answer, "from_step"),
                       counted(identical, "snapshot"), text(answer, "to_step"));
  }
  const auto& first = differs->as_object();
  auto shown = fmt::format("differs first at the snapshot of step {} ({} before it identical)\n",
                           text(first, "step"), text(answer, "identical_snapshots"));
  const auto& regions = array_at(first, "regions");
  for (std::size_t i = 0; i < std::min(regions.size(), kRegionsNamed); ++i) {
    shown += fmt::format("  {}\n", std::string_view(regions[i].as_string()));
  }
  if (regions.size() > kRegionsNamed) {
    shown += fmt::format("  and {} regions more\n", regions.size() - kRegionsNamed);
  }
  if (flag_at(first, "values_differ")) shown += "  values (counters, generators)\n";
  if (const auto kept = text_at(first, "kept_as"); !kept.empty()) {
    shown += fmt::format("what came out is kept: cardswap diff {}@{} {} --tensors --store {}\n",
                         text(answer, "job"), text(first, "step"), kept, text(answer, "store"));
  }
  if (const auto& error = object_at(first, "not_kept"); !error.empty()) {
    shown += fmt::format("what came out could not be kept: {}\n", text(error, "failure"));
  }
  return shown;
}

/// Lets the job, which stands at the step of the first snapshot, come to that of each, and compares
/// the digests of its state there with theirs. Returns how many are identical, up to the first one
/// that is not.
std::size_t identical_in(const Context& context, Client& client, const std::string& job,
                         const Course& course, const std::vector<std::string>& digests) {
  std::size_t identical = 0;
  auto held_at = course.compared.front().step;
  for (const auto& ref : course.compared) {
    if (std::exchange(held_at, ref.step) != ref.step) {
      (void)client.call("POST", fmt::format("/v1/jobs/{}/resume", http::percent_encoded(job)),
                        json::object{{"hold_at", ref.step}});
    }
    const auto held = await_held(context, client, job, ref.step).at("held").as_object();
    if (state_digest_at(held) != digests.at(identical)) break;
    ++identical;
    if (!context.quiet) std::cerr << fmt::format("step {}: identical\n", ref.step);
  }
  return identical;
}

Exit recompute(const Context& context, const RecomputeOptions& options) {
  const auto in = store::open_store(options.store);
  const HeldSnapshots reading(context, *in, options.job);
  const auto course = course_of(*in, options);
  const auto digests = digests_of(*in, course);
  ScratchJob job(context.client(), scratch_name(options));
  if (!context.quiet) {
    std::cerr << fmt::format("job {}: {} steps are taken again from that of step {}, as job {}\n",
                             options.job, course.compared.back().step - course.from.step,
                             course.from.step, job.name());
  }
  auto client = context.client();
  auto begun = begin_job(context, client, job, start_body(*in, options, course));
  const auto started = await_end(context, client, std::move(begun));
  if (!has_worked(started)) {
    job.note_failed();
    return show_outcome(context, started);
  }
  const auto identical = identical_in(context, client, job.name(), course, digests);
  const bool is_all = identical == course.compared.size();
  json::object answer{{"job", options.job},
                      {"store", options.store},
                      {"from_step", course.from.step},
                      {"to_step", course.compared.back().step},
                      {"first_difference", nullptr},
                      {"identical_snapshots", identical},
                      {"identical", is_all}};
  if (!is_all) {
    answer["first_difference"] =
        difference_at(context, client, *in, options, course.compared[identical]);
  }
  context.show(answer, recomputed_text);
  return is_all ? Exit::done : exit_for(Code::digest_mismatch);
}

}  // namespace

void add_recompute_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<RecomputeOptions>();
  auto* command = app.add_subcommand(
      "recompute", "Take a job's steps again from a snapshot, and compare with later ones");
  command->add_option("job", options->job, "Job, which need not run")->required();
  command->add_option("--store", options->store, "file:/FOLDER, of the agent's host")->required();
  command->add_option("--from", options->from,
                      "Step of the snapshot to start from (default: the one before --to)");
  command->add_option("--to", options->to, "Step of the last one to compare (default: the newest)");
  command->add_option("--as", options->as,
                      "Name of the job that computes (default: JOB-recompute)");
  command->add_option("--on", options->device, "Device to compute on (default: as before)");
  command->add_option("--user", options->user, "User to run as (default: as the agent is set up)");
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return recompute(context, *options); };
  });
}

}  // namespace cardswap::cli
