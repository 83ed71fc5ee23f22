// cardswap-init: what a job needs that must not depend on the agent's life. An agent starts it; it
// is of no use by hand.
//   supervise starts a job's program, stays its parent, and writes its exit status to a file
//   dump      enters the job's namespaces, has CRIU dump it, reports and ends
//   restore   makes namespaces, has CRIU restore into them as their first process, and stays there:
//             it reaps, and ends with the job, whose exit status it writes to a file

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/criu/facts/held_files.h"
#include "agent/criu/facts/namespaces.h"
#include "agent/criu/swrk.h"
#include "agent/process/process_tree.h"
#include "agent/process/supervisor_main.h"
#include "agent/process/wait_for_tree.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

namespace cardswap::criu {
namespace {

struct Orders {
  std::string criu = "criu";
  int report = -1;     ///< the pipe for the report
  int images = -1;     ///< the folder of the image
  std::string socket;  ///< "socket:[4711]": the job's connection to its agent
  std::uint32_t timeout_s = 60;
  /// A pipe from the agent. If it closes without a byte, a dumped job runs on, and a restored one
  /// that was not granted is killed.
  int lifeline = -1;
  // dump
  int pid = 0;
  // restore
  int socket_fd = -1;
  std::vector<std::string> dumped_logs;  ///< paths that the log has in the images
  std::string log;                       ///< what is to be in their place
  std::string status_file;
};

constexpr std::size_t kLogBytesMax = 4U << 20;

void report(int fd, const std::string& line) {
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
}

std::string images_path(const Orders& orders) {
  return fmt::format("/proc/self/fd/{}", orders.images);
}

/// What CRIU wrote about a failure.
std::string log_tail(const Orders& orders, const std::string& name) {
  const Descriptor file(::openat(orders.images, name.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) return {};
  const auto from = std::max<off_t>(0, about.st_size - static_cast<off_t>(kLogBytesMax));
  std::string text(static_cast<std::size_t>(about.st_size - from), '\0');
  const auto got = ::pread(file.get(), text.data(), text.size(), from);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return errors_in_log(text);
}

void check(const Response& response, const Orders& orders, const std::string& log) {
  if (response.success) return;
  auto why = log_tail(orders, log);
  if (why.empty()) why = response.message;
  if (why.empty() && response.error_number != 0) why = std::strerror(response.error_number);
  throw Error(Code::refused, why.empty() ? "CRIU gave no reason" : why);
}

/// Whether the agent has ended, by its end of the lifeline.
bool is_let_go(int lifeline) {
  pollfd wait{lifeline, 0, 0};
  return ::poll(&wait, 1, 0) == 1 && (wait.revents & POLLHUP) != 0;
}

void dump_in_its_namespaces(const Orders& orders) {
  Options options;
  options.pid = innermost_pid(orders.pid);
  options.images_dir = images_path(orders);
  options.log_file = "dump.log";
  options.external = {"unix" + orders.socket.substr(orders.socket.find('['))};
  options.timeout_s = orders.timeout_s;
  options.leave_stopped = true;
  enter_namespaces_of(orders.pid);
  const std::array keep{orders.images};
  check(run_swrk(orders.criu, Call::dump, options, keep), orders, options.log_file);
  report(orders.report, "ok\n");
}

/// In a child, because entering namespaces is for good and the job is looked after from outside.
void dump(const Orders& orders) {
  const ProcessId root{orders.pid, start_time_of(orders.pid).value_or(0)};
  const pid_t child = ::fork();
  if (child < 0) throw os_error("fork");
  if (child == 0) {
    try {
      dump_in_its_namespaces(orders);
      ::_exit(0);
    } catch (const Error& error) {
      report(orders.report, "failed\n" + error.failure() + "\n");
    }
    ::_exit(1);
  }
  (void)::waitpid(child, nullptr, 0);
  // Nobody waits for this dump any more, and an agent that came instead may have let the job go on
  // before CRIU had stopped it.
  if (is_let_go(orders.lifeline)) continue_stopped(root);
}

/// The log is opened here: a file of another mount namespace could not be dumped again.
Descriptor open_log(const std::string& path) {
  Descriptor log(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) throw os_error(fmt::format("open {}", path));
  return log;
}

/// All that was restored; `criu` is a child too.
std::vector<pid_t> restored_tasks(pid_t criu) {
  std::vector<pid_t> tasks;
  for (const auto child : children_of(::getpid())) {
    if (child == criu) continue;
    for (const auto pid : tree_of({child, start_time_of(child).value_or(0)})) tasks.push_back(pid);
  }
  return tasks;
}

/// CRIU holds all of them by ptrace meanwhile, which no signal of anybody undoes. Killed then, they
/// run no more instruction.
void check_before_they_run(const Orders& orders, pid_t criu) {
  const auto tasks = restored_tasks(criu);
  struct stat log {};
  try {
    if (::stat(orders.log.c_str(), &log) != 0) throw Error(Code::io, "the job's log is gone");
    check_held_files(tasks, log);
  } catch (...) {
    for (const auto pid : tasks) ::kill(pid, SIGKILL);
    throw;
  }
}

/// The process of the job that speaks to the agent. It has to run before the job is granted, since
/// it is what verifies the job's memory; nothing else has to.
void let_speaker_go(pid_t root, const struct stat& connection) {
  const auto wanted = fmt::format("socket:[{}]", connection.st_ino);
  for (const auto pid : tree_of({root, start_time_of(root).value_or(0)})) {
    std::error_code gone;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), gone)) {
      if (std::filesystem::read_symlink(entry.path(), gone) != wanted) continue;
      ::kill(pid, SIGCONT);
      return;
    }
  }
  throw Error(Code::refused, "no restored process has the job's connection to its agent");
}

void let_all_go() {
  for (const auto pid : restored_tasks(0)) ::kill(pid, SIGCONT);
}

/// For a file that was deleted CRIU would make one as root, wherever its name leads meanwhile. What
/// has one open stays where it is, so it was deleted after it was looked at.
void refuse_deleted_files(const Orders& orders) {
  for (const auto& entry : std::filesystem::directory_iterator(images_path(orders))) {
    if (!entry.path().filename().string().starts_with("ghost-file")) continue;
    throw Error(Code::refused, "the job deleted a file that it has open while it was moved");
  }
}

pid_t restore(const Orders& orders) {
  refuse_deleted_files(orders);
  const auto log = open_log(orders.log);
  Options options;
  options.images_dir = images_path(orders);
  options.log_file = "restore.log";
  options.timeout_s = orders.timeout_s;
  options.rst_sibling = true;
  options.leave_stopped = true;
  options.notify = true;
  options.inherit.push_back({orders.socket, orders.socket_fd});
  for (const auto& path : orders.dumped_logs) {
    options.inherit.push_back({path.substr(path.find_first_not_of('/')), log.get()});
  }
  const std::array keep{orders.images};
  bool checked = false;
  const auto at_stage = [&](const std::string& stage, pid_t criu) {
    if (stage != "pre-resume") return;
    check_before_they_run(orders, criu);
    checked = true;
  };
  const auto response = run_swrk(orders.criu, Call::restore, options, keep, at_stage);
  check(response, orders, options.log_file);
  if (!checked) throw Error(Code::refused, "CRIU told nobody before the restored process ran");
  struct stat connection {};
  (void)::fstat(orders.socket_fd, &connection);
  let_speaker_go(response.restored_pid, connection);
  return response.restored_pid;
}

[[noreturn]] void live_as_init(const Orders& orders) {
  try {
    ::setsid();
    become_first_process();
    const auto root = restore(orders);
    ::close(orders.images);
    ::close(orders.socket_fd);
    report(orders.report, fmt::format("ok {}\n", root));
    ::close(orders.report);
    // Let go without a grant it ends, and with it whatever runs here: it is the first process.
    if (const auto ended = wait_for_tree(root, Descriptor(orders.lifeline), let_all_go)) {
      write_status(orders.status_file, *ended);
    }
  } catch (const Error& error) {
    report(orders.report, "failed\n" + error.failure() + "\n");
  }
  ::_exit(0);
}

void restore_apart(const Orders& orders) {
  leave_for_new_namespaces();
  // A child of the agent, which reaps it.
  const auto init = static_cast<pid_t>(::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));
  if (init < 0) throw os_error("fork");
  if (init == 0) live_as_init(orders);
  report(orders.report, fmt::format("init {}\n", init));
}

}  // namespace
}  // namespace cardswap::criu

int main(int argc, char** argv) {
  using namespace cardswap;
  // One for each job stays for as long as that runs: it takes no page more than it needs.
  if (argc == 2 && std::string_view(argv[1]) == "supervise") return supervisor_main();
  criu::Orders orders;
  CLI::App app("Runs jobs and CRIU for cardswapd; of no use by hand", "cardswap-init");
  app.set_version_flag("--version", CARDSWAP_VERSION);
  app.require_subcommand(1);
  auto* dump = app.add_subcommand("dump", "Dump a job and leave it stopped");
  auto* restore = app.add_subcommand("restore", "Restore a job in namespaces of its own");
  for (auto* command : {dump, restore}) {
    command->add_option("--criu", orders.criu)->required();
    command->add_option("--report", orders.report)->required();
    command->add_option("--images", orders.images)->required();
    command->add_option("--socket", orders.socket)->required();
    command->add_option("--lifeline", orders.lifeline)->required();
    command->add_option("--timeout", orders.timeout_s);
  }
  dump->add_option("--pid", orders.pid)->required();
  restore->add_option("--socket-fd", orders.socket_fd)->required();
  restore->add_option("--dumped-log", orders.dumped_logs)->allow_extra_args(false);
  restore->add_option("--log", orders.log)->required();
  restore->add_option("--status", orders.status_file)->required();
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  for (const int fd : {orders.report, orders.images, orders.socket_fd, orders.lifeline}) {
    if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  try {
    *dump ? criu::dump(orders) : criu::restore_apart(orders);
    return 0;
  } catch (const Error& error) {
    criu::report(orders.report, "failed\n" + error.failure() + "\n");
    return 1;
  }
}
