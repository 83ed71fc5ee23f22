#include "tests/support/liar.h"

#include <array>
#include <boost/json.hpp>

namespace cardswap::test {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr std::array kWords{"",          "yes",       "accepted",  "parked", "verified",
                            "committed", "completed", "cancelled", "asleep", "in_doubt",
                            "0",         "-1",        "\xc3\xa9"};
constexpr std::array kKeys{"accepted", "state", "epoch", "version", "error",
                           "decision", "root",  "step",  "code",    "blocked_reasons"};

}  // namespace

json::value Liar::anything(int depth) {
  switch (below(depth > 2 ? 9 : 12)) {
    case 0: return nullptr;
    case 1: return true;
    case 2: return false;
    case 3: return -1;
    case 4: return 2;
    case 5: return 1e300;
    case 6: return std::uint64_t{1} << 63;
    case 7: return 0.5;
    case 8: return chance(0.1) ? json::value(std::string(70'000, 'x')) : kWords.at(below(13));
    case 9: {
      json::array list;
      for (auto left = below(4); left > 0; --left) list.push_back(anything(depth + 1));
      return list;
    }
    default: {
      json::object object;
      for (auto left = below(5); left > 0; --left) {
        object[kKeys.at(below(kKeys.size()))] = anything(depth + 1);
      }
      return object;
    }
  }
}

json::object Liar::status() {
  constexpr std::array kStates{"verified", "granted", "resumed", "completed", "stopping",
                               "nothing",  "failed",  "asleep",  "parked"};
  json::object status{{"version", ++version_},    {"epoch", 2},      {"state", "starting"},
                      {"data_host", "127.0.0.1"}, {"data_port", 9},  {"data_token", "00"},
                      {"data_key", ""},           {"root", ""},      {"step", 0},
                      {"image_port", 0},          {"error", nullptr}};
  if (chance(0.03)) status["state"] = "reserved";
  if (chance(0.04)) status["state"] = kStates.at(below(kStates.size()));
  return status;
}

void Liar::spoil(json::object& answer) {
  if (answer.empty()) return;
  const auto at = answer.begin() + static_cast<std::ptrdiff_t>(below(answer.size()));
  if (chance(0.3)) {
    answer.erase(at);
  } else {
    at->value() = anything(0);
  }
}

ScriptedPeer::Answer Liar::on_the_way(std::string body) {
  ScriptedPeer::Answer answer{std::move(body)};
  if (chance(0.02)) answer.body = "<html>" + answer.body;
  if (chance(0.02)) {
    constexpr std::array kStatus{400U, 401U, 403U, 404U, 409U, 422U, 500U, 503U, 204U};
    answer.status = kStatus.at(below(kStatus.size()));
    if (chance(0.7)) answer.body = json::serialize(json::object{{"error", anything(0)}});
  }
  if (chance(0.02)) answer.delay = milliseconds(below(200));
  if (chance(0.02)) answer.cut_after = below(answer.body.size() + 100);
  return answer;
}

ScriptedPeer::Answer Liar::as_target(const ScriptedPeer::Asked& asked) {
  json::object answer;
  if (asked.method == "GET") {
    answer = status();
  } else if (asked.method == "POST") {
    answer = {{"accepted", true}, {"reservation", status()}};
    if (chance(0.05)) answer = {{"accepted", false}, {"blocked_reasons", anything(1)}};
  }
  if (chance(0.04)) spoil(answer);
  return on_the_way(chance(0.03) ? json::serialize(anything(0)) : json::serialize(answer));
}

ScriptedPeer::Answer Liar::as_source() {
  constexpr std::array kDecisions{"pending", "committed", "aborted", "perhaps", ""};
  json::object answer{{"decision", kDecisions.at(below(kDecisions.size()))},
                      {"epoch", 3 + below(5)},
                      {"root", ""},
                      {"step", 7}};
  if (chance(0.2)) {
    answer["decision"] = chance(0.5) ? "perhaps" : "pending";
    answer["epoch"] = 2;
  }
  if (chance(0.3)) {
    answer["decision"] = "committed";
    answer["epoch"] = 2;
    answer["root"] = chance(0.5) ? json::value("no digest") : json::value(7);
  }
  if (chance(0.2)) answer["epoch"] = anything(3);
  if (const auto* epoch = answer.if_contains("epoch"); *epoch == 2) {
    // Of the right epoch, but without a decision.
    if (answer.at("decision") == "aborted") answer["decision"] = json::array{"aborted"};
  }
  return on_the_way(chance(0.1) ? json::serialize(json::array{anything(0)})
                                : json::serialize(answer));
}

}  // namespace cardswap::test
