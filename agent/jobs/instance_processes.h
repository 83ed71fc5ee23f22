#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/jobs/job.h"
#include "agent/jobs/job_list.h"
#include "agent/jobs/process_family.h"

/// The processes of an instance on this host: finds them, reads how the program ended, and ends
/// them.
namespace cardswap {

/// The marks by which the processes of an instance are found.
[[nodiscard]] ProcessFamily family_of(const Instance& instance);
/// The process whose end is awaited as the end of the instance: the one that writes the program's
/// exit status first (its init or parent), else the program itself.
[[nodiscard]] ProcessId watched_of(const Instance& instance);
/// The file into which a program's parent, or the init of a restored one, writes its exit status.
[[nodiscard]] std::filesystem::path status_file(const Instance& instance);
/// Writes into the record how the program, which has ended, ended; for a child of the agent it
/// collects the status from the kernel. False when it is not known: then the record says why.
bool record_exit_status(Instance& instance);
/// Writes into the record why the program, which has ended, ended, in place of its exit status. On
/// disk with the job's next save.
void explain_end(Instance& instance, std::string why);
/// Every live process of jobs of that name that have ended. Throws what members_of() throws, and
/// takes as long for each record.
[[nodiscard]] std::vector<pid_t> left_of(const JobList& table, const std::string& name);
/// Ends every process of an instance by end_members(); does not change its record. `table` must
/// outlive it.
[[nodiscard]] boost::asio::awaitable<void> end_processes(JobList& table, std::string instance,
                                                         std::chrono::milliseconds grace);

}  // namespace cardswap
