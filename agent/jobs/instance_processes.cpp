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
  return {instance.process, instance.parent, instance.init, instance.token,
          instance.job().spec.user};
}

ProcessId watched_of(const Instance& instance) {
  if (instance.init.pid != 0) return instance.init;
  return instance.parent.pid != 0 ? instance.parent : instance.process;
}

std::filesystem::path status_file(const Instance& instance) { return instance.log_path + ".exit"; }

bool take_exit_status(Instance& instance) {
  instance.exit_code.reset();
  instance.exit_signal.reset();
  instance.exit_text.clear();
  const bool same_boot = instance.boot_id.empty() || instance.boot_id == boot_id();
  if (const auto status = read_exit_status(status_file(instance))) {
    instance.exit_code = status->code;
    instance.exit_signal = status->signal;
    return true;
  }
  if (instance.init.pid != 0 && same_boot) {
    instance.exit_signal = SIGKILL;
    instance.exit_text = "it was killed together with its PID namespace";
    return true;
  }
  int status = 0;
  const auto pid = instance.process.pid;
  if (instance.parent.pid == 0 && pid > 0 && ::waitpid(pid, &status, WNOHANG) == pid) {
    if (WIFEXITED(status)) instance.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) instance.exit_signal = WTERMSIG(status);
    return true;
  }
  instance.exit_text = why_lost({!same_boot, booted_at_ms(), unix_ms(), instance.step});
  return false;
}

void explain_end(Instance& instance, std::string why) { instance.exit_text = std::move(why); }

std::vector<pid_t> left_of(const JobTable& table, const std::string& name) {
  std::vector<pid_t> found;
  for (const auto* instance : table.instances()) {
    if (instance->name() != name || instance->is_live()) continue;
    for (const auto& process : members_of(family_of(*instance))) found.push_back(process.pid);
  }
  return found;
}

boost::asio::awaitable<void> end_processes(JobTable& table, std::string id,
                                           std::chrono::milliseconds grace) {
  const auto* instance = table.by_instance(id);
  if (instance == nullptr) co_return;
  const auto met = co_await end_members(family_of(*instance), grace);
  if (const auto* record = table.by_instance(id); record != nullptr && !met.empty()) {
    std::vector<std::string> numbers;
    for (const auto pid : met) numbers.push_back(std::to_string(pid));
    spdlog::info("job {} is {}: processes {} of it were ended here", record->name(),
                 to_string(record->state), first_of(numbers));
    table.changed().notify();
  }
}

}  // namespace cardswap
