#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/snapshots/recovery_context.h"

namespace cardswap::snapshots {

/// Ends the copy of a job whose recovery is pending: kills its processes again and again. Returns
/// once none of them is alive and no migration of it runs, because a snapshot that is being written
/// comes first; however long that takes. A process that has not died after 10 s is told of once.
/// Throws as pending_job().
[[nodiscard]] asio::awaitable<void> end_copy(RecoveryContext context, std::string job_id);

}  // namespace cardswap::snapshots
