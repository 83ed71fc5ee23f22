#include "agent/cli/snapshots/cadence.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"
#include "migrator/store/keep_rule_text.h"

namespace cardswap::cli {

Cadence cadence_from(std::string_view text) {
  Cadence cadence;
  if (text == "off") return cadence;
  if (const auto steps = number_in<std::uint64_t>(text)) {
    cadence.steps = *steps;
  } else if (text != "none") {
    cadence.time = parse_duration("--every", text);
  }
  if (cadence.is_off() || (cadence.steps == 0 && cadence.time < std::chrono::seconds(1))) {
    throw Error(Code::bad_request, fmt::format("--every: '{}' is too little", text),
                "write it like 100 (steps), 10m or off");
  }
  return cadence;
}

boost::json::object protection_body(const std::string& store, const Cadence& cadence,
                                    const store::KeepRule& keep, const std::string& grace) {
  boost::json::object body{{"store", store},
                           {"keep", store::to_string(keep)},
                           {"grace_ms", parse_duration("--grace", grace).count()}};
  if (cadence.steps != 0) {
    body["every_steps"] = cadence.steps;
  } else {
    body["every_ms"] = cadence.time.count();
  }
  return body;
}

}  // namespace cardswap::cli
