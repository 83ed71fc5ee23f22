#include "agent/gang/invitation.h"

#include <boost/json.hpp>
#include <utility>

#include "agent/base/address.h"
#include "agent/base/json_archive.h"
#include "agent/base/validate.h"
#include "migrator/wire/gang_messages.h"

namespace cardswap::gang {

namespace json = boost::json;

namespace {

constexpr double kHandoverMsMax = 1e6;

std::string address_at(const json::object& from, std::string_view field) {
  auto text = text_at(from, field);
  validate::check(text.size() <= validate::kWordMax && address_from(text).has_value(), field,
                  "address");
  return text;
}

std::vector<std::uint32_t> ranks_at(const json::object& from, std::string_view field,
                                    std::uint32_t ranks) {
  std::vector<std::uint32_t> all;
  for (const auto& item : array_at(from, field)) {
    boost::system::error_code inexact;
    const auto rank = item.is_number() ? item.to_number<std::uint32_t>(inexact) : ranks;
    validate::check(!inexact && rank < ranks && all.size() < ranks, field, "list of ranks");
    all.push_back(rank);
  }
  return all;
}

}  // namespace

json::object to_json(const Invitation& invitation) {
  json::object body{{"job", invitation.job},
                    {"ranks", invitation.ranks},
                    {"part", to_string(invitation.part)},
                    {"conductor", invitation.conductor},
                    {"rendezvous", invitation.rendezvous},
                    {"moved", json::array(invitation.moved.begin(), invitation.moved.end())}};
  if (invitation.part != Part::leaves) return body;
  json::object spec;
  put_fields(spec, invitation.spec);
  body["spec"] = std::move(spec);
  body["newcomer"] = {
      {"host", invitation.newcomer.host},
      {"port", invitation.newcomer.port},
      {"token", invitation.newcomer.token},
      {"key", invitation.newcomer.key},
      {"addresses", json::array(invitation.addresses.begin(), invitation.addresses.end())}};
  body["handover_ms"] = invitation.handover_ms;
  return body;
}

std::optional<Invitation> invitation_from(const json::object& body) {
  const auto* said = value_at(body, "invitation");
  if (said == nullptr) return std::nullopt;
  validate::check(said->is_object(), "invitation", "object");
  const auto& from = said->get_object();
  Invitation made;
  made.job = text_at(from, "job");
  validate::check(validate::is_job_name(made.job), "invitation.job", "name of a job");
  made.ranks = number_at<std::uint32_t>(from, "ranks");
  validate::check(made.ranks > 1 && made.ranks <= channel::kRanksMax, "invitation.ranks",
                  "number of ranks");
  const auto part = named<Part>(text_at(from, "part"));
  validate::check(part.has_value(), "invitation.part", "part of a gang");
  made.part = *part;
  made.conductor = address_at(from, "conductor");
  made.rendezvous = address_at(from, "rendezvous");
  made.moved = ranks_at(from, "moved", made.ranks);
  if (made.part != Part::leaves) return made;
  read_fields(object_at(from, "spec"), made.spec);
  validate::check(parse_destination(made.spec.to).device.size() <= validate::kWordMax, "to",
                  "destination");
  const auto& newcomer = object_at(from, "newcomer");
  made.newcomer.host = text_at(newcomer, "host");
  made.newcomer.port = number_at<std::uint16_t>(newcomer, "port");
  validate::check(validate::is_device_or_host(made.newcomer.host) && made.newcomer.port != 0,
                  "invitation.newcomer", "place");
  made.newcomer.token = validate::word_or_none("newcomer.token", text_at(newcomer, "token"));
  made.newcomer.key = validate::word_or_none("newcomer.key", text_at(newcomer, "key"));
  for (const auto& item : array_at(newcomer, "addresses")) {
    validate::check(
        item.is_string() && validate::is_word(item.get_string()) && made.addresses.size() < 256,
        "newcomer.addresses", "list of words");
    made.addresses.emplace_back(item.get_string());
  }
  const auto handover_ms = number_at(from, "handover_ms");
  validate::check(handover_ms >= 0 && handover_ms <= kHandoverMsMax, "handover_ms",
                  "number of its range");
  made.handover_ms = handover_ms;
  return made;
}

}  // namespace cardswap::gang
