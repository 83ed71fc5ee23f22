#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cardswap::cli {

/// The verb that `word` means: `word` itself if it is one of `verbs`, else the verb for what other
/// programs call `word` (`rm`: forget). Empty: none is known.
[[nodiscard]] std::string verb_called(std::string_view word, const std::vector<std::string>& verbs);

/// The one of `verbs` that differs from `word` by the fewest letters (`migarte`: migrate). Empty:
/// none is near.
[[nodiscard]] std::string verb_near(std::string_view word, const std::vector<std::string>& verbs);

}  // namespace cardswap::cli
