#pragma once

#include <boost/json/value.hpp>
#include <cmath>

namespace cardswap::cli {

/// The number as JSON; a number that is not finite, which JSON does not have, as the text "nan",
/// "inf" or "-inf".
[[nodiscard]] inline boost::json::value number_json(double number) {
  if (std::isnan(number)) return boost::json::value("nan");
  if (std::isinf(number)) return boost::json::value(number > 0 ? "inf" : "-inf");
  return boost::json::value(number);
}

}  // namespace cardswap::cli
