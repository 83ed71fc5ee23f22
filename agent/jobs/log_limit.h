#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>

#include "agent/base/event_sink.h"
#include "agent/jobs/job_list.h"

/// Bounds the logs of jobs. A job's output goes straight into a file on the journal's disk: without
/// a bound one job could fill that disk. Past the bound the log's beginning is cut off (a hole in
/// the file), and the rest keeps its offsets: a reader who follows the log loses nothing, and the
/// job notices nothing.
namespace cardswap {

/// The first offset that a log still has; 0 for a whole log, or for a missing one. Throws
/// Error{io, refused} for a file that is no log (process/log_file.h).
[[nodiscard]] std::int64_t first_byte_of(const std::filesystem::path& log);
/// The first offset that an open log of `size` bytes still has, as first_byte_of() gives it.
[[nodiscard]] std::int64_t first_byte_in(int log, std::int64_t size);

/// Cuts off the beginning of a log that has more than `max_bytes`, so that about the last
/// `max_bytes` / 2 stay. Returns how many bytes it cut; 0 for a missing log. Throws Error{io} if
/// the file system cannot make holes, Error{refused} for a file that is no log.
std::uint64_t shorten_log(const std::filesystem::path& log, std::uint64_t max_bytes);

/// Frees disk space that is allocated to `log` but was never written (past its end, or before its
/// first byte), if that is more than `max_bytes`. Returns how many bytes it freed. Output that is
/// written at the same moment may be lost; no program that only prints allocates so much. Throws
/// what shorten_log() throws.
std::uint64_t free_unwritten_space(const std::filesystem::path& log, std::uint64_t max_bytes);

/// Checks the logs of all jobs every two seconds, until cancelled; of ended jobs too, because their
/// user may go on writing. `max_bytes` 0: does nothing. Emits an event when a log loses its
/// beginning, and again when twice as much is gone. Both references must outlive it.
asio::awaitable<void> bound_logs(JobList& jobs, EventSink& events, std::uint64_t max_bytes);

}  // namespace cardswap
