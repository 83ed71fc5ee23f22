#pragma once

#include <string>

namespace cardswap {

/// "on 10.0.0.2: `cardswap jobs`; ...", for a source whose target `to` does not tell.
[[nodiscard]] std::string what_to_do_in_doubt(const std::string& migration, const std::string& to);

}  // namespace cardswap
