#include "agent/cli/snapshots/cadence.h"

#include <fmt/format.h>

#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"

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

}  // namespace cardswap::cli
