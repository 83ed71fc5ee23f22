#pragma once

#include <span>
#include <string>

#include "agent/criu/rpc_message.h"

namespace cardswap::criu {

/// Runs one call of `program swrk` as a child of this process and waits for it. CRIU has the
/// descriptors that `options` names and `keep_open`, besides 0 to 2. Its errors are in the result;
/// throws Error{io} where it could not even be asked, Error{corrupt} where its answer is none.
[[nodiscard]] Response run_swrk(const std::string& program, Call call, const Options& options,
                                std::span<const int> keep_open);

}  // namespace cardswap::criu
