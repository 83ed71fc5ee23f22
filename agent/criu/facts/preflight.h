#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/criu/facts/gpu_findings.h"
#include "agent/criu/facts/process_facts.h"

namespace cardswap::criu {

/// Why these processes cannot be moved from here, one sentence for each cause; empty: they can. It
/// allows only kinds of things that a test has moved: anything unknown is a reason.
/// `network_fault`: CriuProgram::network_fault. Pure.
[[nodiscard]] std::vector<std::string> reasons_to_stay(const TreeFacts& tree,
                                                       const GpuFindings& gpus,
                                                       std::string_view network_fault = {});

}  // namespace cardswap::criu
