#include "agent/gang/messages.h"

#include <fmt/format.h>

#include "agent/base/json_archive.h"
#include "agent/base/strict_json.h"
#include "agent/base/validate.h"
#include "agent/gang/content_fields.h"
#include "migrator/base/fields_of.h"

namespace cardswap::gang {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Order>& m) {
  a("order", m.kind);
  a("epoch", m.epoch);
  a("own_epoch", m.own_epoch);
  a("step", m.step);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RankStatus>& m) {
  a("epoch", m.epoch);
  a("state", m.state);
  a("step", m.step);
  content_fields(a, m.content);
}

namespace {

void check_range(std::uint64_t value, std::string_view field, std::uint64_t max) {
  validate::check(value <= max, field, "number of its range");
}
void check_ranges(const Order& order) {
  check_range(order.epoch, "epoch", validate::kEpochMax);
  check_range(order.own_epoch, "own_epoch", validate::kEpochMax);
  check_range(order.step, "step", validate::kStepMax);
}
void check_ranges(const RankStatus& status) {
  check_range(status.epoch, "epoch", validate::kEpochMax);
  check_range(status.step, "step", validate::kStepMax);
  check_range(status.content.step, "root_step", validate::kStepMax);
}

template <class Message>
Message message_from(const json::object& body) {
  Message message;
  StrictJsonReader in(body);
  fields(in, message);
  check_ranges(message);
  return message;
}

template <class Message>
Message answer_from(const std::string& agent, std::string_view asked, const json::value& answer) {
  try {
    validate::check(answer.is_object(), "answer", "object");
    return message_from<Message>(answer.get_object());
  } catch (const Error& error) {
    throw Error(
        Code::protocol_mismatch,
        fmt::format("the agent at {} gave no answer about {}: {}", agent, asked, error.failure()),
        "is it a cardswapd of this release that listens there?");
  }
}

template <class Message>
json::object written(const Message& message) {
  json::object body;
  put_fields(body, message);
  return body;
}

}  // namespace

json::object to_json(const Order& order) { return written(order); }
json::object to_json(const RankStatus& status) { return written(status); }

Order order_from(const json::object& body) { return message_from<Order>(body); }

Order order_from(const std::string& agent, const json::value& answer) {
  return answer_from<Order>(agent, "a gang's decision", answer);
}

RankStatus rank_status_from(const std::string& agent, const json::value& answer) {
  return answer_from<RankStatus>(agent, "a rank of a gang", answer);
}

}  // namespace cardswap::gang
