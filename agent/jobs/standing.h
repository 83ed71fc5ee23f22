#pragma once

#include <string>

namespace cardswap {

/// A job's state as its migrations see it.
struct Standing {
  std::string state;  ///< "in_doubt", "frozen"; or as its record has it
  std::string note;   ///< what an operator should know and do; or empty
};

}  // namespace cardswap
