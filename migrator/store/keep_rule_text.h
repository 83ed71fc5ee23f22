#pragma once

#include <string>
#include <string_view>

#include "migrator/store/keep_rule.h"

namespace cardswap::store {

/// Reads a rule as people write it: "last=5,hourly=24,daily=14", each of the three at most once and
/// in any order; what is left out keeps nothing. "all" keeps everything. Throws Error{bad_request}
/// for other text, and for a rule that keeps nothing. Pure.
[[nodiscard]] KeepRule keep_rule_from(std::string_view text);
/// Writes a rule as keep_rule_from() reads it.
[[nodiscard]] std::string to_string(const KeepRule& rule);

}  // namespace cardswap::store
