#include "agent/handover/base/reservation_request.h"

#include <boost/json.hpp>

namespace cardswap {

namespace json = boost::json;

namespace {

json::object to_json(const channel::GangPlace& place) {
  json::array moved;
  for (const auto rank : place.moved) moved.emplace_back(rank);
  return {{"id", place.gang},
          {"rank", place.rank},
          {"ranks", place.ranks},
          {"rendezvous", place.rendezvous},
          {"moved", std::move(moved)}};
}

}  // namespace

json::object to_json(const ReservationRequest& wanted) {
  json::object body{{"migration", wanted.migration},
                    {"job", to_json(wanted.spec)},
                    {"arrive", to_string(wanted.arrive)},
                    {"device", wanted.device},
                    {"state_bytes", wanted.state_bytes},
                    {"relocatable_bytes", wanted.relocatable_bytes},
                    {"homed_bytes", wanted.relocatable_bytes},  // its older name
                    {"epoch", wanted.epoch},
                    {"from", wanted.from},
                    {"from_api", wanted.from_api},
                    {"encrypt", wanted.encrypt},
                    {"framework", wanted.framework},
                    {"dry_run", wanted.dry_run}};
  if (!wanted.addresses.empty()) {
    body["addresses"] = json::array(wanted.addresses.begin(), wanted.addresses.end());
  }
  if (wanted.arrive == ArrivalMode::criu) body["process"] = wanted.process;
  if (!wanted.store.empty()) {
    body["store"] = wanted.store;
    body["tag"] = wanted.tag;
  }
  if (!wanted.place.gang.empty()) body["gang"] = to_json(wanted.place);
  return body;
}

}  // namespace cardswap
