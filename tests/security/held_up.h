#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <stdexcept>

#include "tests/security/users.h"
#include "tests/support/hosts.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {

/// Within which an agent that waits for nobody answers.
inline constexpr auto kAtOnce = std::chrono::seconds(2) * kPatience;

/// A process of `user` that holds a write lease on `file`, which is the user's, and gives it up for
/// nobody: whoever opens the file waits for as long as the kernel lets a holder keep others
/// waiting.
class Lease {
 public:
  Lease(const LocalUser& user, const std::filesystem::path& file) {
    std::array<int, 2> ready{};
    if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::signal(SIGIO, SIG_IGN);
      const bool is_user = ::setgid(user.gid()) == 0 && ::setuid(user.uid()) == 0;
      const int fd = ::open(file.c_str(), O_RDONLY);
      const char held = is_user && ::fcntl(fd, F_SETLEASE, F_WRLCK) == 0 ? 'y' : 'n';
      (void)!::write(ready[1], &held, 1);
      while (true) ::pause();
    }
    char held = 0;
    (void)!::read(ready[0], &held, 1);
    ::close(ready[0]);
    ::close(ready[1]);
    held_ = held == 'y';
  }
  ~Lease() {
    ::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  pid_t pid_ = -1;
  bool held_ = false;
};

class HeldUp : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
    mallory_ = std::make_unique<LocalUser>();
    std::filesystem::create_directory(hers_);
    ASSERT_EQ(::chown(hers_.c_str(), mallory_->uid(), mallory_->gid()), 0);
    std::filesystem::copy_file("/bin/sleep", program_);
    ASSERT_EQ(::chown(program_.c_str(), mallory_->uid(), mallory_->gid()), 0);
  }
  void start_host(std::vector<std::string> more = {}) {
    host_ = std::make_unique<Host>(dir_.path() / "a",
                                   HostOptions{.name = "a", .more = std::move(more)});
  }
  void start_host_with_two_devices() {
    host_ = std::make_unique<Host>(dir_.path() / "a",
                                   HostOptions{.name = "a", .devices = {"cpu:0", "cpu:1"}});
  }
  [[nodiscard]] std::vector<std::string> her_job(const std::string& name) const {
    return {"run", "--name", name, "--user", mallory_->name(), "--", program_.string(), "1000"};
  }
  /// By how much the agent's answers took longer than what needs no agent at the same time, the
  /// most of those that were asked for while `busy`: a machine that is short of time is late with
  /// both.
  template <class Result>
  [[nodiscard]] std::chrono::milliseconds slowest_answer_during(std::future<Result>& busy) const {
    using Time = std::chrono::steady_clock::duration;
    const auto time_of = [this](const char* word) {
      const auto asked = std::chrono::steady_clock::now();
      EXPECT_EQ(host_->command({word}).exit_code, 0);
      return std::chrono::steady_clock::now() - asked;
    };
    Time slowest{};
    do {
      auto alone = std::async(std::launch::async, time_of, "--help");
      const auto answered = time_of("version");
      slowest = std::max(slowest, answered - alone.get());
    } while (busy.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready);
    return std::chrono::duration_cast<std::chrono::milliseconds>(slowest);
  }

  TempDir dir_;
  std::filesystem::path hers_ = dir_.path() / "hers";
  std::filesystem::path program_ = hers_ / "program";
  std::unique_ptr<LocalUser> mallory_;
  std::unique_ptr<Host> host_;
};

}  // namespace cardswap::test
