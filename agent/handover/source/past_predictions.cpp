#include "agent/handover/source/past_predictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "agent/base/json_fields.h"

namespace cardswap {

namespace json = boost::json;

namespace {

constexpr std::int64_t kVersion = 2;
constexpr std::int64_t kVersionWithoutSizes = 1;
/// Of one move: beyond it something else has happened than what was predicted.
constexpr double kRatioMax = 16;
constexpr std::size_t kNameMax = 255;

double within(double value, double most) { return std::clamp(value, 1 / most, most); }

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

bool is_similar(double one, double other) {
  return one < PastPredictions::kSimilar * other && other < PastPredictions::kSimilar * one;
}

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Code::corrupt, "what moves before this were predicted to take: " + why);
}

std::string name_at(const json::object& from, std::string_view key) {
  auto name = text_at(from, key);
  const bool odd = std::ranges::any_of(name, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  if (name.empty() || name.size() > kNameMax || odd) refuse(fmt::format("{} is no name", key));
  return name;
}

double amount_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  const double ms = value != nullptr && value->is_number() ? value->to_number<double>() : 0;
  if (!(std::isfinite(ms) && ms > 0)) refuse(fmt::format("{} is no time", key));
  return ms;
}

double ratio_at(const json::object& from, std::string_view key) {
  const double ratio = amount_at(from, key);
  if (!(ratio >= 1 / kRatioMax && ratio <= kRatioMax)) refuse(fmt::format("{} is no ratio", key));
  return ratio;
}

}  // namespace

void PastPredictions::note(const MovePath& path, const StepCost& predicted,
                           const StepCost& measured) {
  const auto is_amount = [](double ms) { return std::isfinite(ms) && ms >= 0; };
  const auto is_known = [&](double ms) { return is_amount(ms) && ms > 0; };
  if (!is_known(predicted.stall_ms) || !is_known(predicted.lost_ms) ||
      !is_amount(measured.stall_ms) || !is_amount(measured.lost_ms)) {
    return;
  }
  Past of_path{path, {}};
  if (const auto known = std::ranges::find(past_, path, &Past::path); known != past_.end()) {
    of_path = std::move(*known);
    past_.erase(known);
  }
  auto& moves = of_path.moves;
  moves.push_back({predicted, within(measured.stall_ms / predicted.stall_ms, kRatioMax),
                   within(measured.lost_ms / predicted.lost_ms, kRatioMax)});
  if (moves.size() > kMovesKept) moves.erase(moves.begin());
  past_.push_back(std::move(of_path));
  if (past_.size() > kPathsMax) past_.erase(past_.begin());
}

CorrectedPrediction PastPredictions::corrected(const MovePath& path, const StepCost& raw) const {
  CorrectedPrediction result{raw, raw, 0};
  const auto known = std::ranges::find(past_, path, &Past::path);
  if (known == past_.end()) return result;
  std::vector<double> stall;
  std::vector<double> lost;
  for (auto move = known->moves.rbegin(); move != known->moves.rend(); ++move) {
    if (stall.size() == kMovesCount) break;
    if (!is_similar(move->predicted.stall_ms, raw.stall_ms) ||
        !is_similar(move->predicted.lost_ms, raw.lost_ms)) {
      continue;
    }
    stall.push_back(move->stall_ratio);
    lost.push_back(move->lost_ratio);
  }
  if (stall.empty()) return result;
  result.moves = static_cast<std::uint32_t>(stall.size());
  for (auto* ratios : {&stall, &lost}) ratios->push_back(1);  // the prediction itself
  result.corrected.stall_ms = raw.stall_ms * within(median(std::move(stall)), kFactorMax);
  result.corrected.lost_ms = std::max(raw.lost_ms * within(median(std::move(lost)), kFactorMax),
                                      result.corrected.stall_ms);
  return result;
}

json::object PastPredictions::to_json() const {
  json::array routes;
  for (const auto& one : past_) {
    json::array moves;
    for (const auto& move : one.moves) {
      moves.push_back(json::object{{"stall_ms", move.predicted.stall_ms},
                                   {"lost_ms", move.predicted.lost_ms},
                                   {"stall_ratio", move.stall_ratio},
                                   {"lost_ratio", move.lost_ratio}});
    }
    routes.push_back(json::object{{"from", one.path.from},
                                  {"to", one.path.to},
                                  {"strategy", one.path.strategy},
                                  {"moves", std::move(moves)}});
  }
  return {{"version", kVersion}, {"routes", std::move(routes)}};
}

PastPredictions::Move PastPredictions::move_from_json(const json::value& json) {
  if (!json.is_object()) refuse("a move that is no object");
  const auto& move = json.get_object();
  return {{amount_at(move, "stall_ms"), amount_at(move, "lost_ms")},
          ratio_at(move, "stall_ratio"),
          ratio_at(move, "lost_ratio")};
}

PastPredictions PastPredictions::from_json(const json::value& json) {
  if (!json.is_object()) refuse("no object");
  const auto& all = json.get_object();
  const auto version = number_at<std::int64_t>(all, "version");
  if (version == kVersionWithoutSizes) return {};
  if (version != kVersion) refuse("another version's");
  const auto& routes = array_at(all, "routes");
  if (routes.size() > kPathsMax) refuse("too many routes");
  PastPredictions result;
  for (const auto& item : routes) {
    if (!item.is_object()) refuse("a route that is no object");
    const auto& one = item.get_object();
    Past past{{name_at(one, "from"), name_at(one, "to"), name_at(one, "strategy")}, {}};
    const auto& moves = array_at(one, "moves");
    if (moves.empty() || moves.size() > kMovesKept) refuse(fmt::format("{} moves", moves.size()));
    for (const auto& move : moves) past.moves.push_back(move_from_json(move));
    if (std::ranges::find(result.past_, past.path, &Past::path) != result.past_.end()) {
      refuse("a route twice");
    }
    result.past_.push_back(std::move(past));
  }
  return result;
}

}  // namespace cardswap
