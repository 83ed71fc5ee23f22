#pragma once

#include <string>

namespace cardswap {

/// The hint for a source in doubt, whose target `to` does not tell whether it has the job: the
/// commands by which an operator finds out and decides. `to` is HOST[:PORT]/DEVICE. Throws
/// Error{bad_request} for another form.
[[nodiscard]] std::string what_to_do_in_doubt(const std::string& migration, const std::string& to);

}  // namespace cardswap
