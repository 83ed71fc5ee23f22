#include "agent/cli/text/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/state_digest_json.h"
#include "agent/base/units.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/lost_time_text.h"
#include "agent/cli/text/ranks_text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

/// The strategy in use, and the one that was asked for if it is another one.
std::string strategy(const json::object& migration) {
  const auto asked = text(migration, "strategy");
  const auto used = text(object_at(migration, "progress"), "strategy");
  return used.empty() || used == asked ? asked : fmt::format("{} ({})", used, asked);
}

/// The parts of the downtime of a process that CRIU moved; empty for a standby.
std::string process_parts(const json::object& migration) {
  const auto& p = object_at(migration, "process");
  if (number_at(p, "restore_ms") <= 0) return {};
  const auto driver = [&](std::string_view key, const char* what) {
    return number_at(p, key) > 0 ? fmt::format("{} {}, ", what, ms(p, key)) : std::string();
  };
  return fmt::format("freeze {}, {}dump {}, ship {}, restore {}, {}verify {}; image {}",
                     ms(p, "freeze_ms"), driver("driver_suspend_ms", "GPU state saved"),
                     ms(p, "dump_ms"), ms(p, "ship_ms"), ms(p, "restore_ms"),
                     driver("driver_resume_ms", "put back"), ms(p, "verify_ms"),
                     size(p, "image_bytes"));
}

/// Whose word a corrected prediction is.
std::string earlier(double moves) {
  return moves == 1 ? "an earlier move has it" : fmt::format("{:.0f} earlier moves have it", moves);
}

/// The ms of the downtime that CRIU and the GPU's driver took; 0 if no process moved.
double process_ms(const json::object& migration) {
  const auto& p = object_at(migration, "process");
  double sum = 0;
  for (const auto* part : {"freeze_ms", "driver_suspend_ms", "dump_ms", "ship_ms", "restore_ms",
                           "driver_resume_ms", "verify_ms"}) {
    sum += number_at(p, part);
  }
  return sum;
}

}  // namespace

std::string progress_line(const json::object& migration, std::size_t width) {
  const auto state = text(migration, "state");
  const auto& p = object_at(migration, "progress");
  // The most important part first: on a narrow terminal whole parts are left out from the end,
  // never half a number.
  std::vector<std::string> parts{state};
  if (state == "verifying" && text(migration, "arrive") == "criu") {
    parts[0] += " (" + text(p, "phase") + ")";
  } else if (number_at(p, "total") > 0 && (state == "syncing" || state == "converged" ||
                                           state == "freezing" || state == "verifying")) {
    parts[0] += " round " + text(p, "rounds", "0");
    if (auto lost = lost_so_far(migration); !lost.empty()) parts.push_back(std::move(lost));
    parts.push_back(fmt::format("{} left of {}", size(p, "remaining"), size(p, "total")));
    if (number_at(p, "expected_downtime_ms") > 0) {
      const auto most =
          number_at(migration, key_or_former(migration, "max_stall_ms", "max_downtime_ms"));
      parts.push_back(fmt::format("downtime now {}{}", ms(p, "expected_downtime_ms"),
                                  most > 0 ? fmt::format(" (max {})", format_ms(most)) : ""));
    }
    if (number_at(p, "rate") > 0) parts.push_back(size(p, "rate") + "/s");
    if (number_at(p, "dirty_rate") > 0) {
      parts.push_back(fmt::format("dirty {}/s", size(p, "dirty_rate")));
    }
    parts.push_back(size(p, "transferred") + " sent");
  }
  if (auto ranks = ranks_text(migration); !ranks.empty()) parts.push_back(std::move(ranks));
  auto line = parts[0].substr(0, width);
  for (std::size_t i = 1; i < parts.size() && line.size() + 2 + parts[i].size() <= width; ++i) {
    line += "  " + parts[i];
  }
  return line;
}

std::string warning_line(const json::object& migration) {
  const auto warning = text(migration, "warning", "");
  return warning.empty() ? "" : "warning: " + warning + "\n";
}

/// What differs from what the user asked for or from the plan, and which part took the time.
std::string remarks(const json::object& migration) {
  const auto& p = object_at(migration, "progress");
  std::string result;
  const auto limit =
      number_at(migration, key_or_former(migration, "max_stall_ms", "max_downtime_ms"));
  const auto downtime = number_at(migration, "downtime_ms");
  const auto held = number_at(p, "log_wait_ms");  // the limit is for both
  const auto stood = downtime + held;
  if (limit > 0 && downtime > 0 && stood > limit) {
    const auto scan = number_at(p, "freeze_scan_ms");
    const auto send = number_at(p, "freeze_send_ms");
    const auto verify = number_at(p, "freeze_verify_ms");
    const auto process = process_ms(migration);
    const auto parts = std::array{
        std::pair{"the wait before the last step", held},
        std::pair{"digesting the state", scan},
        std::pair{"sending what was left", send},
        std::pair{"comparing digests", verify},
        std::pair{"moving the process", process},
        std::pair{"commit and grant", downtime - scan - send - verify - process},
    };
    const auto longest =
        std::ranges::max_element(parts, {}, [](auto& part) { return part.second; });
    result += fmt::format("limit {}, was {}: {} took {}\n", format_ms(limit), format_ms(stood),
                          longest->first, format_ms(longest->second));
  }
  const auto note = text(p, "note", "");
  if (!note.empty()) result += "note: " + note + "\n";
  const auto rehearsed = text(p, "rehearsal", "");
  if (!rehearsed.empty()) {
    result += fmt::format("rehearsal {}: {}\n", rehearsed, text(p, "rehearsal_note", ""));
  }
  return result;
}

/// A snapshot that was published without the tag that was asked for.
std::string tag_line(const json::object& migration) {
  const auto failed = text(migration, "tag_error", "");
  if (failed.empty()) return {};
  return fmt::format("warning: it has not the tag {}: {}\n", text(migration, "tag"), failed);
}

/// What a snapshot copied; empty for one that did not, and for a move.
std::string copied_line(const json::object& p) {
  if (number_at(p, "copied_bytes") <= 0) return {};
  return fmt::format("{} copied in {} while it stood, {} sent in all\n", size(p, "copied_bytes"),
                     ms(p, "freeze_scan_ms"), size(p, "transferred"));
}

/// The summary of a snapshot.
std::string snapshot_summary(const json::object& migration) {
  const auto& p = object_at(migration, "progress");
  if (text(migration, "result") == "stored") {
    return fmt::format(
        "job {}: step {} is snapshot {} in {}\n"
        "{} of state, {} of it new there, {} written; manifest {}\n{}{}{}",
        text(migration, "job"), text(migration, "migrated_at_step"), text(migration, "snapshot"),
        text(migration, "store"), size(p, "total"), size(migration, "new_bytes"),
        size(migration, "written_bytes"), text(migration, "manifest"), copied_line(p),
        lost_line(migration), tag_line(migration));
  }
  if (value_at(migration, "result") == nullptr) {
    return fmt::format("job {} trains on; step {} is being written to {}: `cardswap status {}`\n",
                       text(migration, "job"), text(migration, "migrated_at_step"),
                       text(migration, "store"), text(migration, "id"));
  }
  return fmt::format("no snapshot of job {} was made; it goes on at {}\n{}", text(migration, "job"),
                     text(migration, "from"), lost_line(migration));
}

std::string summary(const json::object& migration) {
  const auto& p = object_at(migration, "progress");
  if (text(migration, "result") != "ok" && flag_at(migration, "job_ended")) {
    return fmt::format("job {} was not moved; it ended at {} meanwhile\n", text(migration, "job"),
                       text(migration, "from"));
  }
  if (text(migration, "result") == "checked") {
    return fmt::format("job {} may move: {}; nothing that a step reads was forgotten\n{}",
                       text(migration, "job"), text(p, "rehearsal_note", ""), lost_line(migration));
  }
  if (!text(migration, "store", "").empty()) return snapshot_summary(migration);
  if (text(migration, "result") != "ok") {
    return fmt::format("job {} was not moved; it goes on at {}\n{}{}", text(migration, "job"),
                       text(migration, "from"), lost_line(migration), warning_line(migration));
  }
  if (text(migration, "from").ends_with("/store")) {
    return fmt::format("job {} goes on at {} from step {}, {} of state\n", text(migration, "job"),
                       text(migration, "to"), text(migration, "migrated_at_step"),
                       size(p, "total"));
  }
  const auto process = process_parts(migration);
  return fmt::format(
      "job {} moved to {} at step {}\n{}"
      "downtime {} (scan {}, send {}, verify {}), {} sent in it\n"
      "{}{}{}"
      "strategy {}, {} rounds, {} sent for {} of state, total {}\n{}",
      text(migration, "job"), text(migration, "to"), text(migration, "migrated_at_step"),
      lost_line(migration), ms(migration, "downtime_ms"), ms(p, "freeze_scan_ms"),
      ms(p, "freeze_send_ms"), ms(p, "freeze_verify_ms"), size(p, "bytes_in_downtime"),
      communicator_line(migration), process.empty() ? "" : "process: " + process + "\n",
      number_at(p, "log_wait_ms") > 0
          ? fmt::format("held {} before its last step, {}\n", ms(p, "log_wait_ms"),
                        text(p, "rehearsal", "").empty() ? "for the log to go" : "to rehearse it")
          : "",
      strategy(migration), text(p, "rounds"), size(p, "transferred"), size(p, "total"),
      ms(p, "total_time_ms"), remarks(migration) + warning_line(migration));
}

/// The times of its states, since the first one.
std::string states_of(const json::object& migration) {
  std::string result;
  std::int64_t first = 0;
  for (const auto& item : array_at(migration, "history")) {
    const auto& entry = item.as_object();
    const auto when = static_cast<std::int64_t>(number_at(entry, "at_ms"));
    if (first == 0) first = when;
    result += fmt::format("  +{:<10} {}\n", format_ms(static_cast<double>(when - first)),
                          text(entry, "state"));
  }
  return result;
}

using DetailRows = std::vector<std::vector<std::string>>;

/// What every migration has.
DetailRows common_rows(const json::object& migration) {
  const auto& p = object_at(migration, "progress");
  return {{"migration", text(migration, "id")},
          {"job", text(migration, "job")},
          {"from", text(migration, "from")},
          {"to", text(migration, "to")},
          {"state", text(migration, "state")},
          {"result", text(migration, "result")},
          {"strategy", strategy(migration)},
          {"rounds", text(p, "rounds")},
          {"transferred", size(p, "transferred")},
          {"remaining", size(p, "remaining")},
          {"total", size(p, "total")},
          {"rate", size(p, "rate") + "/s"},
          {"dirty_rate", size(p, "dirty_rate") + "/s"},
          {"expected_downtime", ms(p, "expected_downtime_ms")},
          {"setup_time", ms(p, "setup_time_ms")},
          {"total_time", ms(p, "total_time_ms")}};
}

/// What it has cost the job, as far as it has come.
void add_cost_rows(const json::object& migration, DetailRows& rows) {
  if (auto lost = lost_line(migration); !lost.empty()) {
    lost.pop_back();
    rows.push_back({"lost", std::move(lost)});
  }
  if (value_at(migration, "downtime_ms") != nullptr) {
    rows.push_back({"downtime", fmt::format("{} (+/- {})", ms(migration, "downtime_ms"),
                                            ms(migration, "clock_error_ms"))});
    rows.push_back({"migrated_at_step", text(migration, "migrated_at_step")});
    rows.push_back({"digest", state_digest_at(migration)});
  }
  for (auto& row : cost_of_ranks(migration)) rows.push_back(std::move(row));
}

/// What only some have.
void add_known_rows(const json::object& migration, DetailRows& rows) {
  const auto& p = object_at(migration, "progress");
  const auto known = [&](const char* name, bool is, std::string value) {
    if (is) rows.push_back({name, std::move(value)});
  };
  known("warning", value_at(migration, "warning") != nullptr, text(migration, "warning"));
  known("tag_error", value_at(migration, "tag_error") != nullptr, text(migration, "tag_error"));
  const auto process = process_parts(migration);
  known("process", !process.empty(), process);
  known("hold", number_at(p, "log_wait_ms") > 0, ms(p, "log_wait_ms"));
  known("predicted", number_at(migration, "predicted_downtime_ms") > 0,
        ms(migration, "predicted_downtime_ms") + " for hold and downtime");
  const auto moves = number_at(migration, "predicted_from_moves");
  known("predicted_lost", number_at(migration, "predicted_lost_ms") > 0,
        fmt::format("stall {}, lost {}{}", ms(migration, "predicted_stall_ms"),
                    ms(migration, "predicted_lost_ms"), moves > 0 ? ", as " + earlier(moves) : ""));
  known("copied", number_at(p, "copied_bytes") > 0, size(p, "copied_bytes"));
  known("log", number_at(p, "log_entries") > 0,
        fmt::format("{} updates, {}", text(p, "log_entries"), size(p, "log_bytes")));
  known("not_replayed", !text(p, "not_replayed", "").empty(), text(p, "not_replayed"));
  known("freezes_put_off", number_at(p, "freezes_put_off") > 0, text(p, "freezes_put_off"));
  known("note", !text(p, "note", "").empty(), text(p, "note", ""));
  known("rehearsal", !text(p, "rehearsal", "").empty(),
        fmt::format("{}: {}", text(p, "rehearsal", ""), text(p, "rehearsal_note", "")));
  known("compression", !text(p, "compression", "").empty(),
        fmt::format("{}, {:.2f} bytes of state a byte sent", text(p, "compression"),
                    number_at(p, "compression_ratio")));
  const auto gpu_path = text(p, p.contains("gpu_path") ? "gpu_path" : "card_path", "");
  known("gpu_path", !gpu_path.empty(), gpu_path);
  known("throttle", number_at(p, "throttle_pct") > 0, text(p, "throttle_pct") + " %");
  const auto& error = object_at(migration, "error");
  known("error", !error.empty(), text(error, "failure"));
}

std::string details(const json::object& migration) {
  auto rows = common_rows(migration);
  add_cost_rows(migration, rows);
  add_known_rows(migration, rows);
  return table(rows) + states_of(migration);
}

std::string migrations_table(const json::object& answer) {
  std::vector<std::vector<std::string>> rows{
      {"MIGRATION", "JOB", "FROM", "TO", "STATE", "STALL", "LOST", "DOWNTIME", "SENT", "NOTE"}};
  for (const auto& item : array_at(answer, "migrations")) {
    const auto& m = item.as_object();
    const auto& error = object_at(m, "error");
    std::string note = text(m, "role") == "target" ? "incoming" : "";
    if (!error.empty()) note += (note.empty() ? "" : ", ") + text(error, "code");
    rows.push_back({text(m, "id"), text(m, "job"), text(m, "from"), text(m, "to"), text(m, "state"),
                    lost_cell(m, "stall_ms"), lost_cell(m, "lost_ms"),
                    value_at(m, "downtime_ms") == nullptr ? "-" : ms(m, "downtime_ms"),
                    size(object_at(m, "progress"), "transferred"), note});
  }
  auto result = table(rows);
  if (const auto older = number_at(answer, "left_out"); older > 0) {
    result += fmt::format("{:.0f} older ones are not shown: --all\n", older);
  }
  return result;
}

/// One strategy's line of a plan.
std::vector<std::string> prediction_row(const json::object& plan, const json::object& p) {
  const bool usable = flag_at(p, "usable");
  const bool fits = flag_at(p, "fits");
  const bool may_fit = flag_at(p, "may_fit");
  std::vector<std::string> notes;
  if (text(p, "strategy") == text(plan, "strategy")) {
    notes.emplace_back(fits ? "would be used" : "would be tried");
  }
  if (const auto reason = text(p, "reason", ""); !reason.empty()) notes.push_back(reason);
  if (const auto moves = number_at(p, "predicted_from_moves"); usable && moves > 0) {
    notes.push_back("stall and lost as " + earlier(moves));
  }
  if (usable && !fits && may_fit) notes.emplace_back("less where steps change less");
  const auto figure = [&](const std::string& value) {
    return usable ? (flag_at(p, "at_most") ? "at most " : "") + value : "-";
  };
  return {text(p, "strategy"),
          figure(ms(p, "downtime_ms")),
          figure(ms(p, "predicted_stall_ms")),
          figure(ms(p, "predicted_lost_ms")),
          figure(ms(p, "total_time_ms")),
          figure(size(p, "transferred")),
          fits      ? "yes"
          : may_fit ? "perhaps"
                    : "no",
          fmt::format("{}", fmt::join(notes, "; "))};
}

std::string plan_text(const json::object& plan) {
  std::string result =
      fmt::format("job {} to {}: {} of state, step {}\n", text(plan, "job"), text(plan, "to"),
                  size(plan, "state_bytes"), ms(plan, "step_ms"));
  const auto rate_from = text(plan, "link_rate_from");
  result += rate_from == "assumed"
                ? "link: not measured yet, 10 Gbit/s assumed\n"
                : fmt::format("link: {}/s, {}\n", size(plan, "link_rate"), rate_from);
  std::vector<std::vector<std::string>> rows{
      {"STRATEGY", "DOWNTIME", "STALL", "LOST", "TOTAL", "SENT", "FITS", "NOTE"}};
  for (const auto& item : array_at(plan, "predictions")) {
    rows.push_back(prediction_row(plan, item.as_object()));
  }
  result += table(rows);
  if (const auto* fits = value_at(plan, "fits"); fits != nullptr && !flag_at(plan, "fits")) {
    result += fmt::format(
        "nothing is sure to keep a step of the job for at most {}: allow more with "
        "--max-stall, or raise --bandwidth\n",
        ms(plan, key_or_former(plan, "max_stall_ms", "max_downtime_ms")));
  }
  if (text(plan, "arrive") == "criu") {
    result += "the process itself goes with CRIU: that comes on top of the downtime\n";
    if (const auto why = text(plan, "arrive_why", ""); !why.empty()) result += why + "\n";
  }
  for (const auto& reason : array_at(plan, "blocked_reasons")) {
    result += fmt::format("blocked: {}\n", printable(reason.as_string()));
  }
  if (const auto hint = text(plan, "hint", ""); !hint.empty()) {
    result += fmt::format("hint: {}\n", hint);
  }
  return result;
}

}  // namespace cardswap::cli
