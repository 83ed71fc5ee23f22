#include <fmt/format.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "agent/base/text_parts.h"
#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/bisection.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/way_back.h"
#include "agent/cli/spawning.h"
#include "agent/cli/text/fields.h"
#include "migrator/base/error.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/exported_tensors.h"
#include "migrator/tensors/safetensors_file.h"

extern char** environ;  // NOLINT: POSIX's name

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr const char* kExported = "{}";
constexpr int kSkips = 125;
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

struct BisectOptions {
  std::string job;
  std::string good;
  std::string bad;
  std::string store;
  bool all = false;
  std::vector<std::string> command;
};

/// A folder of this command, which goes with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    auto name = (std::filesystem::temp_directory_path() / "cardswap-bisect-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error(Code::io, fmt::format("make a folder {}: {}", name, std::strerror(errno)),
                  "TMPDIR says where");
    }
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

store::Ref named_end(store::Store& in, const BisectOptions& options, const std::string& end) {
  const bool is_whole = end.find_first_of("@:") != std::string::npos;
  const auto name = snapshot_name_from(is_whole ? end : options.job + "@" + end);
  if (name.job != options.job) {
    throw Error(Code::bad_request, fmt::format("snapshot {} is not of job {}", end, options.job));
  }
  return find_snapshot(in, name);
}

/// The good one: a plain step is that of the line from which the bad one came, if that has it, and
/// not of another branch.
store::Ref good_end(store::Store& in, const BisectOptions& options,
                    const std::vector<store::Ref>& line) {
  const auto step = number_in<std::uint64_t>(options.good);
  const auto found =
      std::ranges::find_if(line, [&](const store::Ref& ref) { return step && ref.step == *step; });
  return found != line.end() ? *found : named_end(in, options, options.good);
}

/// The snapshots from the good one to the bad one, in their order.
std::vector<store::Ref> row_of(store::Store& in, const BisectOptions& options) {
  const auto bad = named_end(in, options, options.bad);
  auto line = find_line_of(in, bad);
  const auto good = good_end(in, options, line);
  const auto found = std::ranges::find(line, good.number, &store::Ref::number);
  if (found == line.end() || found == line.begin()) {
    throw Error(Code::bad_request,
                fmt::format("snapshot {} (step {}) is not among those from which {} (step {}) came "
                            "to be",
                            good.number, good.step, bad.number, bad.step),
                "`cardswap history --graph` shows which came after which");
  }
  line.erase(found + 1, line.end());
  std::ranges::reverse(line);
  return line;
}

json::object shown_ref(const store::Ref& ref) {
  return {{"snapshot", ref.number},
          {"step", ref.step},
          {"branch", ref.branch},
          {"manifest", to_string(ref.manifest)}};
}

/// Runs the user's command for one snapshot after the other. What it prints goes to stderr.
class Probe {
 public:
  Probe(const BisectOptions& options, store::Store& in) : options_(options), in_(in) {
    if (std::ranges::find(options.command, kExported) != options.command.end()) folder_.emplace();
  }

  ProbeVerdict verdict_on(const store::Ref& ref) {
    auto words = options_.command;
    if (folder_) {
      const auto file = exported(ref);
      for (auto& word : words) {
        if (word == kExported) word = file;
      }
    }
    return verdict_of(run(words, ref));
  }

 private:
  /// The one file of the folder.
  std::string exported(const store::Ref& ref) {
    store::PackCatalog catalog;
    catalog.refresh(in_);
    const store::SnapshotReader reader(in_, catalog, ref);
    const auto choice = tensors::choose_tensors(reader.manifest(), {.all = options_.all});
    const auto plan = tensors::plan_safetensors(reader.manifest(), ref.manifest, choice);
    const auto file = folder_->path() / "snapshot.safetensors";
    (void)tensors::write_safetensors(reader, plan, file, true);
    return file.string();
  }

  [[nodiscard]] std::vector<std::string> environment_for(const store::Ref& ref) const {
    std::vector<std::string> all{fmt::format("CARDSWAP_JOB={}", ref.job),
                                 fmt::format("CARDSWAP_STEP={}", ref.step),
                                 fmt::format("CARDSWAP_SNAPSHOT={}", ref.number),
                                 fmt::format("CARDSWAP_MANIFEST={}", to_string(ref.manifest)),
                                 fmt::format("CARDSWAP_STORE={}", options_.store)};
    for (char** item = environ; *item != nullptr; ++item) {
      const std::string_view text(*item);
      const auto name = text.substr(0, text.find('=') + 1);
      const bool is_set = std::ranges::any_of(
          all, [&](const std::string& set) { return !name.empty() && set.starts_with(name); });
      if (!is_set) all.emplace_back(text);
    }
    return all;
  }

  /// Its wait status.
  [[nodiscard]] int run(const std::vector<std::string>& words, const store::Ref& ref) const {
    const auto [pid, failed] = spawn(words, environment_for(ref));
    if (failed == 0) return wait_status_of(pid);
    throw Error(Code::refused, fmt::format("{}: {}", words[0], std::strerror(failed)),
                "name a program that can be run, after --");
  }

  [[nodiscard]] ProbeVerdict verdict_of(int status) const {
    if (WIFSIGNALED(status)) return ProbeVerdict::bad;  // such as one that aborts at a NaN
    const int code = WEXITSTATUS(status);
    if (code == kCannotRun || code == kNotFound) {
      throw Error(Code::refused,
                  fmt::format("{} ended with {}: it could not run what it wanted to",
                              options_.command[0], code),
                  "that says nothing of a snapshot: see what it printed");
    }
    if (code == kSkips) return ProbeVerdict::skipped;
    return code == 0 ? ProbeVerdict::good : ProbeVerdict::bad;
  }

  const BisectOptions& options_;
  store::Store& in_;
  std::optional<ScratchFolder> folder_;
};

const char* word_for(ProbeVerdict verdict) {
  switch (verdict) {
    case ProbeVerdict::good: return "good";
    case ProbeVerdict::bad: return "bad";
    case ProbeVerdict::skipped: break;
  }
  return "skipped";
}

std::string found_text(const json::object& answer) {
  const auto& bad = answer.at("first_bad").as_object();
  const auto& good = answer.at("last_good").as_object();
  auto shown =
      fmt::format("first bad: step {} (snapshot {}, branch {}, manifest {})\n", text(bad, "step"),
                  text(bad, "snapshot"), text(bad, "branch"), text(bad, "manifest").substr(0, 12));
  shown +=
      fmt::format("last good: step {} (snapshot {})\n", text(good, "step"), text(good, "snapshot"));
  const auto& between = array_at(answer, "skipped_between");
  if (between.empty()) return shown;
  std::string steps;
  for (const auto& one : between) {
    steps += (steps.empty() ? "" : ", ") + text(one.as_object(), "step");
  }
  return shown + fmt::format("or one that was skipped between them: step {}\n", steps);
}

Exit bisect(const Context& context, const BisectOptions& options) {
  const auto in = store::open_store(options.store);
  const HeldSnapshots reading(context, *in, options.job);
  const auto row = row_of(*in, options);
  Probe probe(options, *in);
  Bisection search(row.size());
  std::size_t probed = 0;
  while (const auto index = search.next()) {
    const auto& ref = row[*index];
    const auto verdict = probe.verdict_on(ref);
    if (context.interrupts.has_come()) {
      throw Error(Code::cancelled, fmt::format("interrupted at step {}", ref.step));
    }
    if (!context.quiet) {
      std::cerr << fmt::format("step {} (snapshot {}): {}\n", ref.step, ref.number,
                               word_for(verdict));
    }
    search.note(*index, verdict);
    ++probed;
  }
  json::array between;
  for (const auto index : search.between()) between.push_back(shown_ref(row[index]));
  context.show(json::object{{"job", options.job},
                            {"first_bad", shown_ref(row[search.bad()])},
                            {"last_good", shown_ref(row[search.good()])},
                            {"skipped_between", std::move(between)},
                            {"probed", probed}},
               found_text);
  return Exit::done;
}

}  // namespace

void add_bisect_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<BisectOptions>();
  auto* command =
      app.add_subcommand("bisect", "Find the first bad snapshot of a job, by a command of yours");
  command->add_option("job", options->job, "Job, which need not run")->required();
  command->add_option("--good", options->good, "STEP, JOB@STEP or JOB:TAG that is good")
      ->required();
  command->add_option("--bad", options->bad, "A later one that is bad")->required();
  command->add_option("--store", options->store, "file:/FOLDER")->required();
  command->add_flag("--all", options->all, "Optimizers and gradients, too, in the file for {}");
  command->add_option("command", options->command, "Program and arguments, after --")->required();
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return bisect(context, *options); };
  });
}

}  // namespace cardswap::cli
