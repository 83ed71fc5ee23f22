#include "agent/jobs/instance_processes.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <utility>

#include "agent/base/boot.h"
#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/jobs/lost_job.h"
#include "agent/process/exit_status.h"

namespace cardswap {

ProcessFamily family_of(const Instance& instance) {
  return {instance.program(), instance.record().parent, instance.record().init,
          instance.record().token, instance.job().spec.user};
}

ProcessId watched_of(const Instance& instance) {
  if (instance.record().init.pid != 0) return instance.record().init;
  return instance.record().parent.pid != 0 ? instance.record().parent : instance.program();
}

std::filesystem::path status_file(const Instance& instance) {
  return instance.record().log_path + ".exit";
}

bool record_exit_status(Instance& instance) {
  return JobList::note(instance, [&](InstanceRecord& record) {
    record.exit_code.reset();
    record.exit_signal.reset();
    record.exit_text.clear();
    const bool same_boot = record.boot_id.empty() || record.boot_id == boot_id();
    if (const auto status = read_exit_status(status_file(instance))) {
      record.exit_code = status->code;
      record.exit_signal = status->signal;
      return true;
    }
    if (record.init.pid != 0 && same_boot) {
      record.exit_signal = SIGKILL;
      record.exit_text = "it was killed together with its PID namespace";
      return true;
    }
    int status = 0;
    const auto pid = record.program.pid;
    if (record.parent.pid == 0 && pid > 0 && ::waitpid(pid, &status, WNOHANG) == pid) {
      if (WIFEXITED(status)) record.exit_code = WEXITSTATUS(status);
      if (WIFSIGNALED(status)) record.exit_signal = WTERMSIG(status);
      return true;
    }
    record.exit_text = why_lost({!same_boot, booted_at_ms(), unix_ms(), record.step});
    return false;
  });
}

void explain_end(Instance& instance, std::string why) {
  JobList::note(instance, [&](InstanceRecord& record) { record.exit_text = std::move(why); });
}

std::vector<pid_t> left_of(const JobList& table, const std::string& name) {
  std::vector<pid_t> found;
  for (const auto* instance : table.instances()) {
    if (instance->name() != name || instance->is_live()) continue;
    for (const auto& process : members_of(family_of(*instance))) found.push_back(process.pid);
  }
  return found;
}

boost::asio::awaitable<void> end_processes(JobList& table, std::string id,
                                           std::chrono::milliseconds grace) {
  const auto* instance = table.by_instance(id);
  if (instance == nullptr) co_return;
  const auto met = co_await end_members(family_of(*instance), grace);
  if (const auto* record = table.by_instance(id); record != nullptr && !met.empty()) {
    std::vector<std::string> numbers;
    for (const auto pid : met) numbers.push_back(std::to_string(pid));
    spdlog::info("job {} is {}: processes {} of it were ended here", record->name(),
                 to_string(record->state()), joined_first(numbers));
    table.changed().notify();
  }
}

}  // namespace cardswap
