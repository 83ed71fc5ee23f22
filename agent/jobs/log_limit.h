#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>

#include "agent/jobs/jobs.h"

/// What a job prints goes straight into a file, on the disk that the journal is on: without a bound
/// one job fills it for all. Past the bound the beginning is let go, and what is left keeps its
/// offsets: whoever follows the log loses nothing, and the job notices nothing.
namespace cardswap {

/// Where a log begins of which the beginning was let go; 0 of a whole one, or of none.
/// Throws Error{io, refused} for what is no log (jobs/log_file.h).
[[nodiscard]] std::int64_t first_byte_of(const std::filesystem::path& log);
/// The same of an open one of so many bytes.
[[nodiscard]] std::int64_t first_byte_in(int log, std::int64_t size);

/// Where more than `max_bytes` of `log` are on disk, all but the last half of `max_bytes` is let
/// go. How many bytes went. Throws Error{io} where this file system cannot do that, and
/// Error{refused} for what is no log.
std::uint64_t shorten_log(const std::filesystem::path& log, std::uint64_t max_bytes);

/// Looks at the logs of all live jobs every two seconds, until it is cancelled. `max_bytes` 0: not
/// at all. A log that loses its beginning is told in an event, and again when twice as much is
/// gone.
asio::awaitable<void> bound_logs(Jobs& jobs, std::uint64_t max_bytes);

}  // namespace cardswap
