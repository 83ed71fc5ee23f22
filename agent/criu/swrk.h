#pragma once

#include <functional>
#include <span>
#include <string>

#include "agent/criu/rpc_message.h"

namespace cardswap::criu {

using AtStage = std::function<void(const std::string& stage, pid_t criu)>;

/// Runs one call of `program swrk` as a child of this process and waits for it. CRIU has the
/// descriptors that `options` names and `keep_open`, besides 0 to 2. Its errors are in the result;
/// throws Error{io} where it could not even be asked, Error{corrupt} where its answer is none.
/// `at_stage` is called at each of Options::notify, where CRIU, `criu`, waits; what it throws is
/// thrown on once CRIU is killed.
[[nodiscard]] Response run_swrk(const std::string& program, Call call, const Options& options,
                                std::span<const int> keep_open, const AtStage& at_stage = {});

}  // namespace cardswap::criu
