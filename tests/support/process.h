#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace cardswap::test {

/// What a command that has ended printed, and its exit code; 128 + N for signal N.
struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};
/// Runs a program to its end, without a limit. A sanitizer's report on stderr fails the test.
[[nodiscard]] Outcome run(const std::vector<std::string>& argv);

/// A program in the background whose output goes to `log`. The destructor kills it; a sanitizer's
/// report in the log then fails the test.
class Child {
 public:
  Child(const std::vector<std::string>& argv, const std::string& log);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  void kill(int signal);
  /// Whether it has ended. Does not wait.
  bool ended();
  /// Waits for its end without a limit. Returns the exit code as Outcome has it.
  int wait();
  [[nodiscard]] int pid() const { return pid_; }

 private:
  std::string log_;
  int pid_ = -1;
  int status_ = -1;
};

/// Polls `condition` every 20 ms until it holds; false: `limit`, times kPatience, passed first.
[[nodiscard]] bool within(std::chrono::milliseconds limit, const std::function<bool()>& condition);
/// The content of a file; empty if it cannot be read.
[[nodiscard]] std::string read_file(const std::string& path);

}  // namespace cardswap::test
