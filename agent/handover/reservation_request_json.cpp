#include "agent/handover/reservation_request_json.h"

#include <boost/json.hpp>

#include "agent/base/address.h"
#include "agent/base/json_fields.h"
#include "agent/base/validate.h"

namespace cardswap {
namespace {

namespace json = boost::json;

constexpr std::size_t kWordsMax = 256;

std::uint64_t count_or_none(const ApiRequest& request, std::string_view field,
                            std::uint64_t most = validate::kBytesMax) {
  return validate::count(field, request.number_or(field, 0), most);
}

std::vector<std::string> words_or_none(const ApiRequest& request, std::string_view field) {
  std::vector<std::string> words;
  const auto* list = request.body.if_contains(field);
  if (list == nullptr || list->is_null()) return words;
  validate::check(list->is_array() && list->get_array().size() <= kWordsMax, field,
                  "list of words");
  for (const auto& item : list->get_array()) {
    validate::check(item.is_string() && validate::is_word(item.get_string()), field,
                    "list of words");
    words.emplace_back(item.get_string());
  }
  return words;
}

std::uint32_t rank_at(const json::object& from, std::string_view field, std::uint64_t most) {
  return static_cast<std::uint32_t>(validate::count(field, number_at(from, field), most));
}

/// The place of a newcomer; one without a gang if the request has none. Where one rank moves, its
/// gang may be told by the id of its own migration alone: `migration`.
channel::GangPlace place_or_none(const ApiRequest& request, const std::string& migration,
                                 handover::Epoch epoch) {
  channel::GangPlace place;
  const auto* said = request.body.if_contains("gang");
  if (said == nullptr || said->is_null()) return place;
  validate::check(said->is_object(), "gang", "place of a rank");
  const auto& from = said->get_object();
  const bool is_named = from.contains("id");
  place.gang = validate::migration_id("gang.id", is_named ? text_at(from, "id") : migration);
  place.epoch = epoch;
  place.ranks = rank_at(from, "ranks", channel::kRanksMax);
  validate::check(place.ranks > 1, "gang.ranks", "number of ranks");
  place.rank = rank_at(from, "rank", place.ranks - 1);
  place.rendezvous = text_at(from, "rendezvous");
  validate::check(
      place.rendezvous.size() <= validate::kWordMax && address_from(place.rendezvous).has_value(),
      "gang.rendezvous", "address");
  for (const auto& rank : array_at(from, "moved")) {
    const bool is_rank =
        rank.is_number() && rank.to_number<double>() >= 0 && rank.to_number<double>() < place.ranks;
    validate::check(is_rank && place.moved.size() < place.ranks, "gang.moved", "list of ranks");
    place.moved.push_back(static_cast<std::uint32_t>(rank.to_number<double>()));
  }
  return place;
}

}  // namespace

ReservationRequest reservation_request_from(const ApiRequest& request) {
  ReservationRequest asked;
  asked.migration = validate::migration_id("migration", request.text("migration"));
  const auto* job = request.body.if_contains("job");
  if (job == nullptr || !job->is_object()) {
    throw Error(Code::bad_request, "'job' must be an object");
  }
  asked.spec = job_spec_from(job->get_object());
  asked.device = request.text("device");
  validate::check(validate::is_word(asked.device), "device", "name of a device");
  validate::check(asked.spec.uid.empty() || validate::is_job_uid(asked.spec.uid), "job.uid",
                  "uid of a job");
  asked.state_bytes = count_or_none(request, "state_bytes");
  const bool is_older = !request.body.contains("relocatable_bytes");
  asked.relocatable_bytes = count_or_none(request, is_older ? "homed_bytes" : "relocatable_bytes");
  asked.epoch = count_or_none(request, "epoch", validate::kEpochMax);
  asked.from = validate::line("from", request.text_or("from", ""));
  asked.from_api = request.text_or("from_api", "");
  // A port of 0 is an agent's that nobody can call.
  const bool is_address = asked.from_api.size() <= validate::kWordMax &&
                          address_from(asked.from_api, kAgentPort, true).has_value();
  validate::check(asked.from_api.empty() || is_address, "from_api", "address of an agent");
  asked.addresses = words_or_none(request, "addresses");
  asked.framework = validate::line("framework", request.text_or("framework", ""));
  const auto arrive = request.text_or("arrive", "standby");
  validate::check(arrive == "standby" || arrive == "criu", "arrive", "way to arrive");
  if (arrive == "criu") {
    asked.arrive = ArrivalMode::criu;
    const auto* process = request.body.if_contains("process");
    if (process == nullptr || !process->is_object()) {
      throw Error(Code::bad_request, "'process' must say what the job's processes need");
    }
    asked.process = process->get_object();
  }
  asked.store = request.text_or("store", "");
  asked.tag = request.text_or("tag", "");
  validate::check(asked.store.empty() || validate::is_store(asked.store), "store",
                  "address of a store");
  validate::check(asked.tag.empty() || validate::is_job_name(asked.tag), "tag",
                  "name of a snapshot");
  validate::check(asked.store.empty() || asked.arrive == ArrivalMode::standby, "arrive",
                  "way to a store");
  asked.encrypt = request.flag_or("encrypt", false);
  asked.dry_run = request.flag_or("dry_run", false);
  asked.place = place_or_none(request, asked.migration, asked.epoch);
  const bool is_plain = asked.store.empty() && asked.arrive == ArrivalMode::standby;
  validate::check(asked.place.gang.empty() || is_plain, "arrive", "way for a rank of a job");
  return asked;
}

}  // namespace cardswap
