#include "agent/handover/base/lost_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/base/units.h"

namespace cardswap {

namespace json = boost::json;

namespace {

// A program may make its runtime report any number: these are the bounds.
constexpr double kToldMsMax = 1e12;
constexpr double kStepMsMin = 1e-3;

double bounded(double ms) { return std::clamp(ms, 0.0, kToldMsMax); }

template <class Archive>
void journal_fields(Archive& a, FieldsOf<Archive, LostTime>& m) {
  a("told", m.has_report);
  a("open_ms", m.open_ms);
  a("after", m.after);
  a("crossed", m.crossed);
  a("over", m.over);
  a("note", m.note);
}

std::string fewer_steps(std::size_t steps) {
  return fmt::format("{} of {} steps after it are in it: the job ended, or was to move again",
                     steps, kStepsAfter);
}

std::string why_unknown(const LostTime& lost) {
  if (lost.has_report && !lost.lateness.pace().is_known()) {
    const auto steps = lost.lateness.pace().steps;
    return fmt::format("{} before the request {} too few to know the job's pace",
                       steps == 0 ? "no ordinary steps" : counted(steps, "ordinary step"),
                       steps == 1 ? "is" : "are");
  }
  if (!lost.note.empty()) return lost.note;
  return lost.over ? "the job's runtime told nothing of its steps" : "";
}

}  // namespace

bool LostTime::merge(const channel::LateSteps& report) {
  if (over) return false;  // it is on record: a program may say as much as it likes
  if (has_report && lateness == report.lateness && open_ms == report.open_ms &&
      after == report.after && over == report.over) {
    return false;
  }
  has_report = true;
  lateness = report.lateness;
  open_ms = report.open_ms;
  after = std::min(report.after, kStepsAfter);
  if (report.open_ms <= 0) {  // it steps here: if it did at the target, it was taken back
    crossed = false;
    first_steps.clear();
  }
  if (report.over) {
    end(after < kStepsAfter ? fewer_steps(after) : "");
  }
  return true;
}

bool LostTime::merge(const FirstStepsReport& report) {
  if (over || !report.began ||
      (crossed && first_steps.size() == report.took_ms.size() && !report.over)) {
    return false;
  }
  crossed = true;
  first_steps = report.took_ms;
  if (report.over) {
    end(first_steps.size() < kStepsAfter ? fewer_steps(first_steps.size()) : "");
  }
  return true;
}

void LostTime::end(std::string why) {
  over = true;
  note = std::move(why);
}

std::optional<LostTimeSummary> summary_of(const LostTime& lost, double downtime_ms) {
  const auto& pace = lost.lateness.pace();
  if (!lost.has_report || !pace.is_known()) return std::nullopt;
  auto all = lost.lateness;
  if (lost.crossed) {
    all.add_parked(lost.open_ms + downtime_ms);
    for (const auto took_ms : lost.first_steps) all.add(took_ms);
  }
  LostTimeSummary summary;
  summary.stall_ms = bounded(all.stall_ms());
  summary.lost_ms = bounded(all.lost_ms());
  summary.step_ms = bounded(pace.step_ms);
  summary.spread_ms = bounded(pace.spread_ms);
  summary.steps_after =
      lost.crossed ? static_cast<std::uint32_t>(lost.first_steps.size()) : lost.after;
  return summary;
}

LostTimeView view_of(const LostTime& lost, double downtime_ms) {
  LostTimeView view;
  view.summary = summary_of(lost, downtime_ms);
  view.is_final = lost.over || (lost.has_report && !view.summary);
  view.note = view.summary ? lost.note : why_unknown(lost);
  return view;
}

LostTimeView view_of_all(std::span<const LostTimeView> ranks) {
  LostTimeView all;
  all.is_final = std::ranges::all_of(ranks, &LostTimeView::is_final);
  const bool is_known =
      std::ranges::any_of(ranks, [](const LostTimeView& rank) { return rank.summary.has_value(); });
  if (is_known) all.summary.emplace().steps_after = kStepsAfter;
  double latest_ms = -1;
  for (const auto& rank : ranks) {
    if (all.note.empty() && rank.summary.has_value() == is_known) all.note = rank.note;
    if (!rank.summary) continue;
    auto& to = *all.summary;
    to.stall_ms = std::max(to.stall_ms, rank.summary->stall_ms);
    to.lost_ms = std::max(to.lost_ms, rank.summary->lost_ms);
    to.steps_after = std::min(to.steps_after, rank.summary->steps_after);
    if (rank.summary->lost_ms <= latest_ms) continue;
    latest_ms = rank.summary->lost_ms;
    to.step_ms = rank.summary->step_ms;
    to.spread_ms = rank.summary->spread_ms;
  }
  return all;
}

void put_lost(json::object& to, const LostTimeView& view) {
  const auto& summary = view.summary;
  const auto known = [&](double LostTimeSummary::*ms) {
    return summary ? json::value((*summary).*ms) : json::value(nullptr);
  };
  const auto in_steps = [&](double LostTimeSummary::*ms) {
    const bool is = summary && summary->step_ms >= kStepMsMin;
    return is ? json::value((*summary).*ms / summary->step_ms) : json::value(nullptr);
  };
  to["stall_ms"] = known(&LostTimeSummary::stall_ms);
  to["lost_ms"] = known(&LostTimeSummary::lost_ms);
  to["stall_steps"] = in_steps(&LostTimeSummary::stall_ms);
  to["lost_steps"] = in_steps(&LostTimeSummary::lost_ms);
  to["step_ms"] = known(&LostTimeSummary::step_ms);
  to["step_spread_ms"] = known(&LostTimeSummary::spread_ms);
  to["steps_after"] = summary ? json::value(summary->steps_after) : json::value(nullptr);
  to["lost_is_final"] = view.is_final;
  to["lost_note"] = text_or_null(view.note);
}

json::object to_journal(const LostTime& lost) {
  json::object record;
  JsonFieldWriter out(record);
  journal_fields(out, lost);
  json::object lateness;
  put_fields(lateness, lost.lateness);
  record["lateness"] = std::move(lateness);
  record["first_steps"] = json::array(lost.first_steps.begin(), lost.first_steps.end());
  return record;
}

LostTime lost_time_from_journal(const json::object& record) {
  LostTime lost;
  JsonFieldReader in(record);
  journal_fields(in, lost);
  read_fields(object_at(record, "lateness"), lost.lateness);
  for (const auto& took_ms : array_at(record, "first_steps")) {
    if (took_ms.is_number() && lost.first_steps.size() < kStepsAfter) {
      lost.first_steps.push_back(took_ms.to_number<double>());
    }
  }
  return lost;
}

}  // namespace cardswap
