#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cardswap::cli {

/// The one of `verbs` that another program calls `word` (`rm`: forget). Empty: none.
[[nodiscard]] std::string verb_called(std::string_view word, const std::vector<std::string>& verbs);

/// The one of `verbs` that `word` is a slip of the fingers from (`migarte`). Empty: none is near.
[[nodiscard]] std::string verb_near(std::string_view word, const std::vector<std::string>& verbs);

}  // namespace cardswap::cli
