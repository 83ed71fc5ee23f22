#pragma once

#include <string>

#include "agent/jobs/job.h"

namespace cardswap {

/// Says which files a standby has opened to write from their beginning: a log among them is the
/// job's own, truncated. Empty: none. Nothing is stopped for it: the file may be another one.
[[nodiscard]] std::string standby_warning(const Instance& standby, const std::string& job,
                                          const std::string& host);
/// `text`, which may be any bytes, as it is told to other agents and by them.
[[nodiscard]] std::string bounded_warning(std::string text);

}  // namespace cardswap
