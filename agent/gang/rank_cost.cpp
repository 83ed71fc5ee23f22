#include "agent/gang/rank_cost.h"

#include <boost/json.hpp>
#include <utility>
#include <variant>

#include "agent/base/json_archive.h"
#include "agent/gang/content_fields.h"

namespace cardswap::gang {

namespace json = boost::json;

namespace {

template <class Archive>
void late_fields(Archive& a, FieldsOf<Archive, channel::LateSteps>& m) {
  fields(a, m.lateness);
  a("open_ms", m.open_ms);
  a("after", m.after);
  a("over", m.over);
}

}  // namespace

bool RankCost::note(const std::string& gang, const channel::Message& message) {
  if (const auto* steps = std::get_if<channel::LateSteps>(&message)) {
    if (steps->migration == gang) late = *steps;
    return true;
  }
  if (const auto* took = std::get_if<channel::CommunicatorsTook>(&message)) {
    if (took->gang == gang) communicator = *took;
    return true;
  }
  return false;
}

void put_cost(json::object& to, const RankCost& cost) {
  json::object all;
  if (cost.late) {
    json::object late;
    JsonFieldWriter out(late);
    late_fields(out, *cost.late);
    all["late"] = std::move(late);
  }
  if (cost.communicator) {
    json::object took;
    JsonFieldWriter out(took);
    took_fields(out, *cost.communicator);
    all["communicator"] = std::move(took);
  }
  if (!all.empty()) to["cost"] = std::move(all);
}

RankCost cost_from(const json::object& report) {
  RankCost cost;
  const auto& all = object_at(report, "cost");
  if (value_at(all, "late") != nullptr) {
    JsonFieldReader in(object_at(all, "late"), OutOfRange::ignored);
    late_fields(in, cost.late.emplace());
  }
  if (value_at(all, "communicator") != nullptr) {
    JsonFieldReader in(object_at(all, "communicator"), OutOfRange::ignored);
    took_fields(in, cost.communicator.emplace());
  }
  return cost;
}

}  // namespace cardswap::gang
