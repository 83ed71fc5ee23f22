#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace cardswap::test {

/// What a command that has ended printed, and how it ended.
struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};
/// Runs a program to its end. A sanitizer's report fails the test.
[[nodiscard]] Outcome run(const std::vector<std::string>& argv);

/// A program in the background; killed with its owner. A sanitizer's report in its log fails the
/// test then.
class Child {
 public:
  Child(const std::vector<std::string>& argv, const std::string& log);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  void kill(int signal);
  /// True when it has ended; its exit code then.
  bool ended();
  int wait();
  [[nodiscard]] int pid() const { return pid_; }

 private:
  std::string log_;
  int pid_ = -1;
  int status_ = -1;
};

/// Polls `condition` until it holds or the limit, under a sanitizer kPatience times it, is over.
[[nodiscard]] bool within(std::chrono::milliseconds limit, const std::function<bool()>& condition);
[[nodiscard]] std::string read_file(const std::string& path);

}  // namespace cardswap::test
