#pragma once

#include <string>

namespace cardswap::store {

/// An object that is damaged or missing.
struct Damage {
  /// The name of the object, or which part of a snapshot it is: "model/w chunk 3" or "values".
  std::string object;
  std::string what;  ///< for people
  bool operator==(const Damage&) const = default;
};

}  // namespace cardswap::store
