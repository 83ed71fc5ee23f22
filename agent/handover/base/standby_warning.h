#pragma once

#include <string>

#include "agent/jobs/job.h"

namespace cardswap {

/// A warning that names the files which a standby has opened to write from their beginning: one of
/// them may be the job's own log, which is truncated then. Empty: there are none. It only warns,
/// because the file may be another one.
[[nodiscard]] std::string standby_warning(const Instance& standby, const std::string& job,
                                          const std::string& host);
/// `text`, which may be any bytes, made valid UTF-8 and short enough to be sent to other agents and
/// kept from them.
[[nodiscard]] std::string bounded_warning(std::string text);

}  // namespace cardswap
