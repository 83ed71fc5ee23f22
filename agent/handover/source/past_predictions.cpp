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

constexpr std::int64_t kVersion = 1;
/// Of one move: beyond it something else has happened than what was predicted.
constexpr double kRatioMax = 16;
constexpr std::size_t kNameMax = 255;

double within(double value, double most) { return std::clamp(value, 1 / most, most); }

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void add(std::vector<double>& ratios, double predicted, double was) {
  ratios.push_back(within(was / predicted, kRatioMax));
  if (ratios.size() > PastPredictions::kMovesKept) ratios.erase(ratios.begin());
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

std::vector<double> ratios_at(const json::object& from, std::string_view key) {
  std::vector<double> ratios;
  for (const auto& item : array_at(from, key)) {
    const double ratio = item.is_number() ? item.to_number<double>() : 0;
    if (!(ratio >= 1 / kRatioMax && ratio <= kRatioMax)) {
      refuse(fmt::format("{} has what is no ratio", key));
    }
    ratios.push_back(ratio);
  }
  if (ratios.empty() || ratios.size() > PastPredictions::kMovesKept) {
    refuse(fmt::format("{} of {} moves", key, ratios.size()));
  }
  return ratios;
}

}  // namespace

void PastPredictions::note(const Route& route, const StallAndLost& predicted,
                           const StallAndLost& was) {
  const auto is_amount = [](double ms) { return std::isfinite(ms) && ms >= 0; };
  const auto is_known = [&](double ms) { return is_amount(ms) && ms > 0; };
  if (!is_known(predicted.stall_ms) || !is_known(predicted.lost_ms) || !is_amount(was.stall_ms) ||
      !is_amount(was.lost_ms)) {
    return;
  }
  Past of_route{route, {}, {}};
  if (const auto known = std::ranges::find(past_, route, &Past::route); known != past_.end()) {
    of_route = std::move(*known);
    past_.erase(known);
  }
  add(of_route.stall, predicted.stall_ms, was.stall_ms);
  add(of_route.lost, predicted.lost_ms, was.lost_ms);
  past_.push_back(std::move(of_route));
  if (past_.size() > kRoutesMax) past_.erase(past_.begin());
}

CorrectedPrediction PastPredictions::corrected(const Route& route, const StallAndLost& raw) const {
  CorrectedPrediction result{raw, raw, 0};
  const auto known = std::ranges::find(past_, route, &Past::route);
  if (known == past_.end() || known->stall.size() < kMovesMin) return result;
  result.moves = static_cast<std::uint32_t>(known->stall.size());
  result.corrected.stall_ms = raw.stall_ms * within(median(known->stall), kFactorMax);
  result.corrected.lost_ms =
      std::max(raw.lost_ms * within(median(known->lost), kFactorMax), result.corrected.stall_ms);
  return result;
}

json::object PastPredictions::to_json() const {
  json::array routes;
  for (const auto& one : past_) {
    routes.push_back(json::object{{"from", one.route.from},
                                  {"to", one.route.to},
                                  {"strategy", one.route.strategy},
                                  {"stall", json::array(one.stall.begin(), one.stall.end())},
                                  {"lost", json::array(one.lost.begin(), one.lost.end())}});
  }
  return {{"version", kVersion}, {"routes", std::move(routes)}};
}

PastPredictions PastPredictions::from_json(const json::value& json) {
  if (!json.is_object()) refuse("no object");
  const auto& all = json.get_object();
  if (number_at<std::int64_t>(all, "version") != kVersion) refuse("another version's");
  const auto& routes = array_at(all, "routes");
  if (routes.size() > kRoutesMax) refuse("too many routes");
  PastPredictions result;
  for (const auto& item : routes) {
    if (!item.is_object()) refuse("a route that is no object");
    const auto& one = item.get_object();
    Past past{{name_at(one, "from"), name_at(one, "to"), name_at(one, "strategy")},
              ratios_at(one, "stall"),
              ratios_at(one, "lost")};
    if (past.stall.size() != past.lost.size()) refuse("a move of which only one half is known");
    if (std::ranges::find(result.past_, past.route, &Past::route) != result.past_.end()) {
      refuse("a route twice");
    }
    result.past_.push_back(std::move(past));
  }
  return result;
}

}  // namespace cardswap
