#include "agent/api/redaction.h"

#include <boost/json.hpp>

namespace cardswap {

namespace json = boost::json;

namespace {

// Answers are made by this agent: jobs are in lists in objects, incidents one level deeper.
constexpr int kDepthMax = 5;

void hide(json::value& value, int depth) {
  if (depth == 0) return;
  if (auto* list = value.if_array()) {
    for (auto& item : *list) hide(item, depth - 1);
  }
  auto* object = value.if_object();
  if (object == nullptr) return;
  for (const auto* uid : {"uid", "job_uid"}) object->erase(uid);
  // How often the move of each job failed, by uid: a field of an incident.
  if (auto* tries = object->if_contains("failed_moves")) *tries = json::object{};
  for (auto& item : *object) hide(item.value(), depth - 1);
}

}  // namespace

void hide_uids(json::value& answer) { hide(answer, kDepthMax); }

}  // namespace cardswap
