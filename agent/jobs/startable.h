#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "agent/base/config.h"
#include "agent/jobs/job.h"
#include "agent/process/process.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Why start_process() would fail for `spec`, found without starting the program. Nullopt: it
/// would succeed. A child process becomes the user, enters the folder and asks the kernel whether
/// it might execute the program; nothing is written. If that takes more than 2 s, that is the error
/// returned. Throws Error{io, internal} when there can be no child or it ends without an answer.
[[nodiscard]] boost::asio::awaitable<std::optional<Error>> why_not_startable(ProcessSpec spec);

/// Why this host cannot start the job's program: it has no such user, folder or program, or the
/// user may not execute it. Nullopt: it can. Looks at what program_of() says that a start uses,
/// with the same groups. `config` must outlive it.
[[nodiscard]] boost::asio::awaitable<std::optional<Error>> why_not_startable(JobSpec spec,
                                                                             const Config& config);

}  // namespace cardswap
