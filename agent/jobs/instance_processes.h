#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/jobs/job.h"
#include "agent/jobs/job_table.h"
#include "agent/jobs/process_family.h"

/// The processes on this host that the record of an instance stands for: how they are found, how
/// the program ended, and their end.
namespace cardswap {

/// How the processes of an instance are found.
[[nodiscard]] ProcessFamily family_of(const Instance& instance);
/// The process by whose end its end is seen: who writes down the program's exit status first.
[[nodiscard]] ProcessId watched_of(const Instance& instance);
/// Where a program's parent, or the init of a restored one, leaves its exit status.
[[nodiscard]] std::filesystem::path status_file(const Instance& instance);
/// Notes in the record how its program, which is over, has ended; of a child of the agent's it
/// takes the status that the kernel keeps. False when nobody can tell.
bool take_exit_status(Instance& instance);
/// Says in the record why its program, which is over, has ended, in place of what its exit status
/// says. Whoever settles that end has it on disk.
void explain_end(Instance& instance, std::string why);
/// Every live process of jobs of that name that are over. One walk over /proc a record.
[[nodiscard]] std::vector<pid_t> left_of(const JobTable& table, const std::string& name);
/// Ends every process of an instance, by end_members(), and leaves its record as it is.
[[nodiscard]] boost::asio::awaitable<void> end_processes(JobTable& table, std::string instance,
                                                         std::chrono::milliseconds grace);

}  // namespace cardswap
