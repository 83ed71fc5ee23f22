#include "agent/report/findings.h"

#include <fmt/format.h>

#include <cmath>

#include "agent/base/printable_fields.h"
#include "agent/base/units.h"

namespace cardswap::report {
namespace {

using Level = Finding::Level;

/// A prediction is reported if it is wrong by this share and by this many milliseconds.
constexpr double kOffBy = 0.3;
constexpr double kOffByMs = 10;

/// The lost time is reported if it is this many times the time that the job stood still, and a
/// whole step.
constexpr double kMoreThanDowntime = 1.5;

void report_losses(const Report& r, std::vector<Finding>& found) {
  const auto& lost = r.lost;
  if (!lost.lost_ms || lost.lost_steps.value_or(0) < 1) return;
  const auto stood = r.downtime.measured_ms.value_or(0) + r.downtime.log_wait_ms;
  if (*lost.lost_ms < kMoreThanDowntime * stood) return;
  auto why = r.strategy == "replay"
                 ? "its steps waited for their gradients to go over: on a faster link, or by "
                   "another strategy, it loses less"
                 : "its steps took longer while its state was copied and compared";
  found.push_back({Level::warning,
                   fmt::format("the job lost {}, {:.0f} steps, and stood still for {} of it: {}",
                               format_ms(*lost.lost_ms), *lost.lost_steps, format_ms(stood), why)});
}

void report_downtime(const Report& r, std::vector<Finding>& found) {
  const auto& d = r.downtime;
  if (!d.measured_ms) return;
  const auto paused = *d.measured_ms + d.log_wait_ms;
  if (d.limit_ms > 0 && paused > d.limit_ms) {
    found.push_back(
        {Level::warning, fmt::format("the job stood still for {}, above the limit of {}",
                                     format_ms(paused), format_ms(d.limit_ms))});
  }
  if (d.predicted_ms &&
      std::abs(paused - *d.predicted_ms) > std::max(kOffByMs, kOffBy * *d.predicted_ms)) {
    found.push_back({paused > *d.predicted_ms ? Level::warning : Level::note,
                     fmt::format("the prediction was {}, {} was measured",
                                 format_ms(*d.predicted_ms), format_ms(paused))});
  }
  double process_ms = 0;
  for (const auto& part : d.process) process_ms += part.ms;
  if (process_ms > 0) {
    found.push_back({Level::note, fmt::format("moving the process itself took {}, which neither "
                                              "prediction nor limit counts",
                                              format_ms(process_ms))});
  }
  if (d.clock_error_ms > *d.measured_ms / 2) {
    found.push_back(
        {Level::note, fmt::format("the two hosts' clocks are only known to within {}: read the "
                                  "downtime with that in mind",
                                  format_ms(d.clock_error_ms))});
  }
}

}  // namespace

std::vector<Finding> findings_of(const Report& r, const boost::json::object& progress) {
  std::vector<Finding> found;
  if (r.error) {
    found.push_back({Level::failure, r.error->failure()});
    if (!r.error->hint().empty()) found.push_back({Level::note, "hint: " + r.error->hint()});
    if (!r.has_moved() && r.error->code() != Code::source_lost) {
      found.push_back({Level::note, fmt::format("the job goes on at {}", r.from)});
    }
  }
  report_losses(r, found);
  report_downtime(r, found);
  const auto* shards_name = progress.contains("shards_not_replayed")
                                ? "shards_not_replayed"
                                : "regions_not_replayed";  // an older agent's
  if (const auto shards = count_at(progress, shards_name); shards > 0) {
    const auto names = printable_at(progress, "not_replayed");
    found.push_back(
        {Level::warning,
         fmt::format("an audit found {} different after replay ({}): {} sent by rounds instead",
                     counted(shards, "shard"), names, shards == 1 ? "it was" : "they were")});
  } else if (r.strategy == "replay" && r.has_moved()) {
    found.push_back({Level::note, "every replayed region was bit for bit the same on both sides"});
  }
  if (const auto ms = amount_at(progress, "back_pressure_ms"); ms >= 1) {
    found.push_back(
        {Level::note, fmt::format("the trainer waited {} because the log was full; --log-memory "
                                  "allows more",
                                  format_ms(ms))});
  }
  if (const auto ms = amount_at(progress, "window_wait_ms"); ms >= 1) {
    found.push_back({Level::note, fmt::format("the trainer waited {} for copies and digests of its "
                                              "state",
                                              format_ms(ms))});
  }
  if (const auto pct = count_at(progress, "throttle_pct"); pct > 0) {
    found.push_back(
        {Level::warning, fmt::format("the job was slowed down by {} % to converge", pct)});
  }
  if (const auto codec = printable_at(progress, "compression"); !codec.empty()) {
    found.push_back(
        {Level::note, fmt::format("payloads were packed with {}, of late {:.2f} bytes of "
                                  "state for a byte sent",
                                  codec, amount_at(progress, "compression_ratio"))});
  }
  // An agent of another release may send the older name only.
  if (printable_at(progress, progress.contains("gpu_path") ? "gpu_path" : "card_path") ==
      "staged") {
    found.push_back({Level::note,
                     "the GPU's memory passed through this host's: its UCX has no CUDA, or "
                     "--encrypt or --transports kept UCX from it; docs/operations.md has more"});
  }
  if (r.samples.empty()) {
    found.push_back({Level::note,
                     "there are no samples: the agent was restarted during the "
                     "migration, or has forgotten them since"});
  }
  return found;
}

}  // namespace cardswap::report
