#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/store/damage.h"

namespace cardswap::cli {

/// What is damaged in a store as answers have it in `damaged`: `{"object", "what"}` each.
[[nodiscard]] boost::json::array damage_json(const std::vector<store::Damage>& damaged);
/// The `damaged` of an answer for people, a line each behind `prefix`; empty: there is none.
[[nodiscard]] std::string damage_lines(const boost::json::object& answer, std::string_view prefix);

}  // namespace cardswap::cli
