#include "agent/handover/base/reservation_request.h"

#include <boost/json.hpp>

namespace cardswap {

namespace json = boost::json;

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
  return body;
}

}  // namespace cardswap
