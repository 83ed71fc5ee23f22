#include "agent/cli/snapshots/cadence.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"
#include "migrator/store/keep_rule_text.h"

namespace cardswap::cli {
namespace {

std::chrono::milliseconds mtbf_from(const std::string& text) {
  const auto mtbf = parse_duration("--mtbf", text);
  if (mtbf.count() > 0) return mtbf;
  throw Error(Code::bad_request, fmt::format("--mtbf: '{}' is no time between failures", text),
              "write it like 24h, or leave it out");
}

}  // namespace

Cadence cadence_from(std::string_view text) {
  Cadence cadence;
  if (text == "off") return cadence;
  cadence.is_auto = text == "auto";
  if (cadence.is_auto) return cadence;
  if (const auto steps = number_in<std::uint64_t>(text)) {
    cadence.steps = *steps;
  } else if (text != "none") {
    cadence.time = parse_duration("--every", text);
  }
  if (cadence.is_off() || (cadence.steps == 0 && cadence.time < std::chrono::seconds(1))) {
    throw Error(Code::bad_request, fmt::format("--every: '{}' is too little", text),
                "write it like 100 (steps), 10m, auto or off");
  }
  return cadence;
}

void add_log(boost::json::object& body, const LogOptions& options) {
  if (options.mode == "off" && !options.window.empty()) {
    throw Error(Code::bad_request, "--window is that of a gradient log",
                "leave it out, or write --log async");
  }
  body["log"] = options.mode;
  constexpr std::string_view kSteps = "steps";
  for (std::string_view rest = options.window; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    const auto part = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const bool is_steps = part.ends_with(kSteps);
    const auto steps = is_steps
                           ? number_in<std::uint64_t>(part.substr(0, part.size() - kSteps.size()))
                           : std::nullopt;
    if (is_steps && (!steps || *steps == 0)) {
      throw Error(Code::bad_request, fmt::format("--window: '{}' is no number of steps", part),
                  "write it like 200steps,50GiB");
    }
    if (is_steps) {
      body["window_steps"] = *steps;
    } else {
      body["window_bytes"] = parse_size("--window", part);
    }
  }
}

boost::json::object protection_body(const std::string& store, const Cadence& cadence,
                                    const store::KeepRule& keep, const std::string& grace,
                                    const std::string& mtbf) {
  if (!mtbf.empty() && !cadence.is_auto) {
    throw Error(Code::bad_request, "--mtbf chooses the interval of --every auto only",
                "leave it out, or write --every auto");
  }
  boost::json::object body{{"store", store},
                           {"keep", store::to_string(keep)},
                           {"grace_ms", parse_duration("--grace", grace).count()}};
  if (cadence.is_auto) {
    body["auto"] = true;
    if (!mtbf.empty()) body["mtbf_ms"] = mtbf_from(mtbf).count();
  } else if (cadence.steps != 0) {
    body["every_steps"] = cadence.steps;
  } else {
    body["every_ms"] = cadence.time.count();
  }
  return body;
}

}  // namespace cardswap::cli
