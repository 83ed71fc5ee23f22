#include "tests/security/users.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <stdexcept>

#include "tests/support/process.h"

namespace cardswap::test {
namespace {

std::string new_name() {
  static std::atomic<int> made{0};
  return "cs" + std::to_string(::getpid()) + "x" + std::to_string(made++);
}

/// The programs that change accounts refuse while another one does: one at a time, of all tests.
void change_accounts(const std::vector<std::string>& argv) {
  const int lock = ::open("/run/lock/cardswap-test-accounts", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ::flock(lock, LOCK_EX);
  const auto done = run(argv);
  ::close(lock);
  if (done.exit_code != 0) throw std::runtime_error(argv[0] + ": " + done.err);
}

void undo(const std::vector<std::string>& argv) {
  try {
    change_accounts(argv);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the test has its result
  }
}

}  // namespace

std::optional<std::string> LocalUser::missing() {
  if (::geteuid() != 0) return "only root makes users";
  for (const auto* program : {"/usr/sbin/useradd", "/usr/sbin/userdel", "/usr/bin/setpriv"}) {
    if (!std::filesystem::exists(program)) return std::string("there is no ") + program;
  }
  return std::nullopt;
}

LocalUser::LocalUser(std::vector<std::string> groups) : name_(new_name()) {
  std::vector<std::string> argv{"useradd",           "--no-create-home", "--user-group",
                                "--home-dir",        "/nonexistent",     "--shell",
                                "/usr/sbin/nologin", "--no-log-init"};
  if (!groups.empty()) {
    std::string all;
    for (const auto& group : groups) all += (all.empty() ? "" : ",") + group;
    argv.insert(argv.end(), {"--groups", all});
  }
  argv.push_back(name_);
  change_accounts(argv);
  const auto* entry = ::getpwnam(name_.c_str());
  if (entry == nullptr) throw std::runtime_error("useradd made no " + name_);
  uid_ = entry->pw_uid;
  gid_ = entry->pw_gid;
}

LocalUser::~LocalUser() { undo({"userdel", "--force", name_}); }

std::vector<std::string> LocalUser::types(std::vector<std::string> argv) const {
  argv.insert(argv.begin(), {"setpriv", "--reuid", name_, "--regid", std::to_string(gid_),
                             "--init-groups", "--inh-caps=-all", "--"});
  return argv;
}

int LocalUser::does(const std::function<int()>& attempt) const {
  const auto pid = ::fork();
  if (pid == 0) {
    int result = 255;
    if (::initgroups(name_.c_str(), gid_) == 0 && ::setgid(gid_) == 0 && ::setuid(uid_) == 0) {
      try {
        result = attempt();
      } catch (...) {
        result = 255;
      }
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

LocalGroup::LocalGroup() : name_(new_name()) { change_accounts({"groupadd", name_}); }

LocalGroup::~LocalGroup() { undo({"groupdel", name_}); }

}  // namespace cardswap::test
