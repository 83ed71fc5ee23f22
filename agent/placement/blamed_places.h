#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace cardswap {

/// Returns those of the places to which ranks were to move together that the text of a failure
/// names; if it names none, all of them: any may be the one that refused. Pure.
[[nodiscard]] inline std::vector<std::string> blamed_places(const std::string& failure,
                                                            std::vector<std::string> places) {
  const auto is_named = [&](const std::string& place) {
    return failure.find(place) != std::string::npos;
  };
  if (std::ranges::any_of(places, is_named)) std::erase_if(places, std::not_fn(is_named));
  return places;
}

}  // namespace cardswap
