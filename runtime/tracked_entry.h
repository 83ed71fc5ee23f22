#pragma once

#include <memory>
#include <string>

#include "cardswap/tracking.h"

namespace cardswap {

/// A tracked thing: its name, and the object that reads and restores its state.
struct TrackedEntry {
  std::string name;
  std::unique_ptr<TrackedState> state;
  const void* thing = nullptr;  ///< the program's object; null: not known
  std::string type;             ///< the name of its type in typeid
};

}  // namespace cardswap
