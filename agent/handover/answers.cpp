#include "agent/handover/answers.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "migrator/error.h"

namespace cardswap {

namespace json = boost::json;

std::string text_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
double number_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

std::vector<std::string> reasons_of(const json::object& answer) {
  std::vector<std::string> reasons;
  if (const auto* list = answer.if_contains("blocked_reasons");
      list != nullptr && list->is_array()) {
    for (const auto& reason : list->get_array()) {
      if (reason.is_string()) reasons.emplace_back(reason.get_string());
    }
  }
  return reasons;
}

std::string reservation_path(const std::string& id) { return "/v1/peer/reservations/" + id; }

handover::Content content_from(const std::string& root, std::uint64_t step) {
  return {root.empty() ? Digest{} : digest_from(root), root.empty() ? 0 : step};
}

handover::Message status_from(const json::object& reservation) {
  const auto name = text_at(reservation, "state");
  const auto state = handover::target_state_from_string(name);
  if (!state) throw Error(Code::corrupt, fmt::format("'{}' is no state of a reservation", name));
  handover::Message message{handover::Message::Kind::status};
  message.epoch = static_cast<handover::Epoch>(number_at(reservation, "epoch"));
  message.content = content_from(text_at(reservation, "root"),
                                 static_cast<std::uint64_t>(number_at(reservation, "step")));
  message.state = *state;
  return message;
}

}  // namespace cardswap
