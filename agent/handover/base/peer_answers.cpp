#include "agent/handover/base/peer_answers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <cmath>
#include <limits>

#include "agent/base/address.h"
#include "agent/http/client.h"
#include "migrator/base/named.h"
#include "migrator/base/utf8.h"

namespace cardswap {

namespace json = boost::json;

namespace {

constexpr std::size_t kTextMax = 4096;  // an error's text quotes a log; all else is shorter
constexpr std::size_t kReasonsMax = 64;
constexpr double kTimeMsMax = 1e15;

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "true or false";
    case json::kind::string: return "a text";
    case json::kind::array: return "a list";
    case json::kind::object: return "an object";
    default: return "a number";
  }
}

/// Reads the fields of one answer. Its errors name the agent, the question and the field.
class Reader {
 public:
  Reader(const std::string& agent, std::string_view asked, const json::object& from)
      : agent_(agent), asked_(asked), from_(from) {}

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Code::protocol_mismatch,
                fmt::format("the agent at {} gave no answer about {}: {}", agent_, asked_, why),
                "is it a cardswapd of this release that listens there?");
  }

  [[nodiscard]] bool flag(std::string_view key) const {
    const auto& value = required(key);
    if (!value.is_bool()) wrong(key, value, "true or false");
    return value.get_bool();
  }
  [[nodiscard]] std::string text(std::string_view key) const {
    const auto& value = required(key);
    if (!value.is_string()) wrong(key, value, "a text");
    return shortened(value.get_string());
  }
  [[nodiscard]] std::uint64_t count(std::string_view key) const {
    return count_of(key, required(key));
  }

  // Absent and null are empty or 0.
  [[nodiscard]] std::string text_or_none(std::string_view key) const {
    return is_there(key) ? text(key) : std::string();
  }
  [[nodiscard]] std::uint64_t count_or_none(std::string_view key) const {
    return is_there(key) ? count(key) : 0;
  }
  [[nodiscard]] std::uint16_t port_or_none(std::string_view key) const {
    const auto port = count_or_none(key);
    if (port > std::numeric_limits<std::uint16_t>::max()) {
      refuse(fmt::format("'{}' is {}, which is no port", key, port));
    }
    return static_cast<std::uint16_t>(port);
  }
  [[nodiscard]] double ms_or_none(std::string_view key) const {
    return is_there(key) ? ms_of(key, required(key)) : 0;
  }
  [[nodiscard]] std::vector<double> times_or_none(std::string_view key, std::size_t most) const {
    std::vector<double> found;
    if (!is_there(key)) return found;
    const auto& value = required(key);
    if (!value.is_array()) wrong(key, value, "a list");
    for (const auto& item : value.get_array()) {
      if (found.size() < most) found.push_back(ms_of(key, item));
    }
    return found;
  }
  [[nodiscard]] std::vector<std::string> texts_or_none(std::string_view key) const {
    std::vector<std::string> found;
    if (!is_there(key)) return found;
    const auto& value = required(key);
    if (!value.is_array()) wrong(key, value, "a list");
    for (const auto& item : value.get_array()) {
      if (!item.is_string()) wrong(key, item, "a list of texts");
      if (found.size() < kReasonsMax) found.push_back(shortened(item.get_string()));
    }
    return found;
  }
  [[nodiscard]] bool flag_or_none(std::string_view key) const { return is_there(key) && flag(key); }
  [[nodiscard]] std::optional<Error> error_or_none(std::string_view key) const {
    if (!is_there(key)) return std::nullopt;
    const auto& value = required(key);
    if (!value.is_object()) wrong(key, value, "an error");
    return reported_by(agent_, http::error_from_json(value));
  }

  [[nodiscard]] bool is_there(std::string_view key) const {
    const auto* value = from_.if_contains(key);
    return value != nullptr && !value->is_null();
  }

 private:
  [[nodiscard]] const json::value& required(std::string_view key) const {
    const auto* value = from_.if_contains(key);
    if (value == nullptr) refuse(fmt::format("there is no '{}'", key));
    return *value;
  }
  [[nodiscard]] double ms_of(std::string_view key, const json::value& value) const {
    const double ms = value.is_number() ? value.to_number<double>() : -1;
    if (!std::isfinite(ms) || ms < 0 || ms > kTimeMsMax) wrong(key, value, "a time");
    return ms;
  }
  [[nodiscard]] std::uint64_t count_of(std::string_view key, const json::value& value) const {
    if (value.is_uint64()) return value.get_uint64();
    if (value.is_int64() && value.get_int64() >= 0) {
      return static_cast<std::uint64_t>(value.get_int64());
    }
    // Some encoders write whole numbers as doubles; above 2^53 those are no counts any more.
    if (value.is_double()) {
      const double number = value.get_double();
      if (number >= 0 && number < 9e15 && number == std::floor(number)) {
        return static_cast<std::uint64_t>(number);
      }
    }
    wrong(key, value, "a whole number");
  }
  [[noreturn]] void wrong(std::string_view key, const json::value& value,
                          std::string_view wanted) const {
    if (value.is_number()) {
      refuse(fmt::format("'{}' is {}, not {}", key, json::serialize(value), wanted));
    }
    refuse(fmt::format("'{}' is {}, not {}", key, kind_of(value), wanted));
  }
  static std::string shortened(const json::string& text) {
    return as_utf8(std::string(text.subview(0, kTextMax)));
  }

  const std::string& agent_;
  std::string_view asked_;
  const json::object& from_;
};

handover::Content content_at(const Reader& reader, const std::string& state_digest,
                             std::uint64_t step) {
  try {
    return content_from(state_digest, step);
  } catch (const Error&) {
    reader.refuse("'root' is no digest");
  }
}

/// Absent where the agent is of a release that does not tell.
FirstStepsReport first_steps_from(const Reader& reader, handover::TargetState state) {
  using handover::TargetState;
  FirstStepsReport report;
  report.known = reader.is_there("first_steps");
  report.began = state == TargetState::resumed || state == TargetState::completed;
  report.took_ms = reader.times_or_none("first_steps", kStepsAfter);
  report.over = reader.flag_or_none("first_steps_over");
  return report;
}

}  // namespace

handover::Content content_from(const std::string& state_digest, std::uint64_t step) {
  return {state_digest.empty() ? Digest{} : digest_from(state_digest),
          state_digest.empty() ? 0 : step};
}

Error refusal_of(const Offer& offer, const std::string& to) {
  const auto another = fmt::format("--to another device; `cardswap devices {}` lists them",
                                   parse_destination(to).agent().text());
  return {offer.code, fmt::format("refused by {}: {}", to, fmt::join(offer.blocked_reasons, "; ")),
          offer.hint.empty() ? another : offer.hint};
}

Offer offer_from(const std::string& agent, const json::object& answer) {
  const Reader reader(agent, "a reservation", answer);
  Offer offer;
  offer.accepted = reader.flag("accepted");
  if (offer.accepted) return offer;
  if (reader.text_or_none("code") == to_string(Code::no_memory)) offer.code = Code::no_memory;
  offer.blocked_reasons = reader.texts_or_none("blocked_reasons");
  if (offer.blocked_reasons.empty()) offer.blocked_reasons.emplace_back("it does not say why");
  offer.hint = reader.text_or_none("hint");
  return offer;
}

TargetStatus target_status_from(const std::string& agent, handover::Epoch epoch,
                                const json::object& answer) {
  const Reader reader(agent, "what it has reserved", answer);
  TargetStatus status;
  const auto name = reader.text("state");
  const auto state = named<handover::TargetState>(name);
  if (!state) reader.refuse(fmt::format("'{}' is no state of a reservation", name));
  status.message.state = *state;
  status.message.epoch = reader.count("epoch");
  if (status.message.epoch != epoch) {
    reader.refuse(
        fmt::format("it speaks of epoch {}, and this is epoch {}", status.message.epoch, epoch));
  }
  status.version = reader.count("version");
  status.message.content =
      content_at(reader, reader.text_or_none("root"), reader.count_or_none("step"));
  status.data = {reader.text_or_none("data_host"), reader.port_or_none("data_port"),
                 reader.text_or_none("data_token"), reader.text_or_none("data_key")};
  status.addresses = reader.texts_or_none("addresses");
  auto image_host = reader.text_or_none("image_host");
  if (image_host.empty()) image_host = status.data.host;
  status.image = {std::move(image_host), reader.port_or_none("image_port"),
                  reader.text_or_none("image_token"), reader.text_or_none("image_key")};
  const bool parked = *state == handover::TargetState::parked;
  if (parked && (status.data.port == 0 || status.data.token.empty())) {
    reader.refuse("its standby is parked, and there is no place to send its state to");
  }
  status.restore_ms = reader.ms_or_none("restore_ms");
  status.driver_resume_ms = reader.ms_or_none("driver_resume_ms");
  status.verify_ms = reader.ms_or_none("verify_ms");
  status.downtime_ms = reader.ms_or_none("downtime_ms");
  status.clock_error_ms = reader.ms_or_none("clock_error_ms");
  status.first_steps = first_steps_from(reader, *state);
  status.stored = {reader.count_or_none("snapshot"), reader.text_or_none("manifest"),
                   reader.count_or_none("new_bytes"), reader.count_or_none("written_bytes"),
                   reader.text_or_none("tag_error")};
  status.warning = reader.text_or_none("warning");
  status.error = reader.error_or_none("error");
  return status;
}

std::optional<Error> not_before_a_commit(const std::string& agent, const TargetStatus& status,
                                         bool to_store) {
  using handover::TargetState;
  switch (status.message.state) {
    case TargetState::stored:
      if (to_store) return std::nullopt;
      break;
    case TargetState::reserved:
    case TargetState::starting:
    case TargetState::parked:
    case TargetState::verified: return std::nullopt;
    case TargetState::failed:
      return status.error ? *status.error
                          : Error(Code::target_lost, "the standby at " + agent + " failed");
    default: break;  // what follows a grant, or is nothing at all
  }
  return Error(Code::protocol_mismatch,
               fmt::format("the agent at {} says that the standby is {}, and nothing was committed",
                           agent, to_string(status.message.state)),
               "is it a cardswapd of this release that listens there?");
}

handover::Message decision_from(const std::string& agent, handover::Epoch epoch,
                                const json::value& answer) {
  static const json::object kNothing;
  const auto* object = answer.if_object();
  const Reader reader(agent, "its decision", object == nullptr ? kNothing : *object);
  handover::Message message{handover::Message::Kind::decision};
  const auto decision = reader.text("decision");
  message.epoch = reader.count("epoch");
  if (message.epoch != epoch) {
    reader.refuse(fmt::format("it speaks of epoch {}, and this is epoch {}", message.epoch, epoch));
  }
  if (decision == "committed") {
    message.decision = handover::Decision::committed;
    const auto state_digest = reader.text("root");
    if (state_digest.empty()) reader.refuse("it committed nothing");
    message.content = content_at(reader, state_digest, reader.count("step"));
  } else if (decision == "aborted") {
    message.decision = handover::Decision::aborted;
  } else if (decision != "pending") {
    reader.refuse(fmt::format("'{}' is no decision", decision));
  }
  return message;
}

Error reported_by(const std::string& agent, const Error& error) {
  const bool ours = error.code() == Code::cancelled || error.code() == Code::in_doubt;
  if (!ours && !error.failure().empty()) return error;
  return {ours ? Code::target_lost : error.code(),
          error.failure().empty()
              ? fmt::format("the agent at {} answered with an error without a text", agent)
              : error.failure(),
          error.hint()};
}

}  // namespace cardswap
