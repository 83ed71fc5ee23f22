#include "agent/gang/rank_facts.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/base/validate.h"
#include "agent/handover/base/data_plane.h"

namespace cardswap::gang {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RankFacts>& m) {
  a("host", m.host);
  a("device", m.device);
  a("ranks", m.ranks);
  a("epoch", m.epoch);
  a("epoch_tried", m.epoch_tried);
  a("step", m.step);
  a("median_step_ms", m.median_step_ms);
  a("state_bytes", m.state_bytes);
  a("framework", m.framework);
  a("why_not", m.why_not);
  a("hint", m.hint);
}

RankFacts facts_of(const Instance& instance, std::uint32_t rank, const std::string& host) {
  RankFacts facts;
  const auto& one = instance.ranks.at(rank);
  facts.host = host;
  facts.device = instance.device();
  facts.ranks = instance.job().world_size;
  facts.epoch = instance.job().epoch;
  facts.step = one.step;
  facts.median_step_ms = one.median_step_ms;
  facts.state_bytes = one.state_bytes;
  facts.framework = one.framework;
  if (is_own_network(one.network)) facts.addresses = own_addresses();
  if (!one.attached) {
    facts.why_not = "its runtime is not attached";
    facts.hint = "it comes back by itself within seconds of an agent's restart: try again";
  } else if (!one.reported) {
    facts.why_not = "it has not passed a step boundary yet";
    facts.hint = "try again after its first step";
  } else if (!one.obstacles.empty()) {
    facts.why_not = one.obstacles.front().what;
    facts.hint = one.obstacles.front().hint;
  } else if (instance.job().spec.hold_at != 0) {
    facts.why_not = fmt::format("it is to stand at step {}", instance.job().spec.hold_at);
    facts.hint = "`cardswap resume " + instance.name() + "` lets it go on";
  }
  return facts;
}

json::object to_json(const RankFacts& facts) {
  json::object body;
  put_fields(body, facts);
  body["addresses"] = json::array(facts.addresses.begin(), facts.addresses.end());
  if (facts.program) body["program"] = to_json(*facts.program);
  return body;
}

RankFacts rank_facts_from(const std::string& agent, const json::value& answer) {
  try {
    validate::check(answer.is_object(), "answer", "object");
    const auto& body = answer.get_object();
    RankFacts facts;
    JsonFieldReader in(body, OutOfRange::ignored);
    fields(in, facts);
    validate::check(facts.epoch <= validate::kEpochMax, "epoch", "number of its range");
    validate::check(facts.epoch_tried <= validate::kEpochMax, "epoch_tried", "number of its range");
    validate::check(facts.step <= validate::kStepMax, "step", "number of its range");
    for (auto* text : {&facts.host, &facts.device, &facts.framework, &facts.why_not, &facts.hint}) {
      *text = validate::line("answer", std::move(*text));
    }
    for (const auto& address : array_at(body, "addresses")) {
      if (address.is_string() && validate::is_word(address.get_string())) {
        facts.addresses.emplace_back(address.get_string());
      }
    }
    const auto* program = value_at(body, "program");
    if (program != nullptr && program->is_object()) {
      facts.program = job_spec_from(program->get_object());
    }
    return facts;
  } catch (const Error& error) {
    throw Error(
        Code::protocol_mismatch,
        fmt::format("the agent at {} gave no answer about a rank: {}", agent, error.failure()),
        "is it a cardswapd of this release that listens there?");
  }
}

}  // namespace cardswap::gang
