#include "agent/follow/outcome.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/address.h"
#include "agent/base/json_fields.h"
#include "agent/base/validate.h"
#include "migrator/base/error.h"
#include "migrator/base/named.h"

namespace cardswap::follow {

namespace json = boost::json;

namespace {

constexpr std::uint32_t kNumberMax = 255;  // an exit code has 8 bits, a signal 7

}  // namespace

json::object to_json(const Outcome& outcome) {
  return {{"state", channel::to_string(outcome.state)},
          {"number", outcome.number},
          {"at", outcome.at},
          {"note", outcome.note}};
}

json::object to_json(const LocalOutcome& local) {
  auto body = to_json(local.outcome);
  body["moved_to"] = local.moved_to;
  return body;
}

Outcome outcome_from(const json::object& answer) {
  Outcome outcome;
  std::string state;
  (void)read_at(answer, "state", state);
  const auto known = named<channel::EndState>(state);
  validate::check(known.has_value(), "state", "name of a state");
  outcome.state = *known;
  (void)read_at(answer, "number", outcome.number);
  validate::check(outcome.number <= kNumberMax, "number", "exit code or signal");
  (void)read_at(answer, "at", outcome.at);
  (void)read_at(answer, "note", outcome.note);
  outcome.at = validate::line("at", std::move(outcome.at));
  outcome.note = validate::line("note", std::move(outcome.note));
  return outcome;
}

LocalOutcome local_outcome_from(const std::string& agent, const json::value& answer) {
  try {
    validate::check(answer.is_object(), "answer", "object");
    LocalOutcome local;
    local.outcome = outcome_from(answer.get_object());
    (void)read_at(answer.get_object(), "moved_to", local.moved_to);
    if (!local.moved_to.empty()) (void)parse_destination(local.moved_to);
    return local;
  } catch (const Error& error) {
    throw Error(Code::protocol_mismatch,
                fmt::format("the agent at {} does not tell what became of a rank: {}", agent,
                            error.failure()),
                "is it a cardswapd of this release that listens there?");
  }
}

}  // namespace cardswap::follow
