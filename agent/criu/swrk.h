#pragma once

#include <functional>
#include <span>
#include <string>

#include "agent/criu/rpc_message.h"

namespace cardswap::criu {

using AtStage = std::function<void(const std::string& stage, pid_t criu)>;

/// Runs one call of `program swrk` as a child of this process and waits for its end, without a
/// limit. CRIU inherits the descriptors in `options` and `keep_open`, besides 0 to 2. CRIU's errors
/// are in the result. Throws Error{io} where CRIU cannot be started or gives no answer,
/// Error{corrupt} where its answer cannot be read. With Options::notify, `at_stage` is called at
/// each stage with CRIU's pid, while CRIU waits; an exception from it kills CRIU and is passed on.
[[nodiscard]] Response run_swrk(const std::string& program, Call call, const Options& options,
                                std::span<const int> keep_open, const AtStage& at_stage = {});

}  // namespace cardswap::criu
