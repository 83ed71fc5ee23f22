#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/hosts.h"

namespace cardswap::test {

/// The processes that an agent whose data folder is in `dir` has started as jobs or standbys: those
/// whose environment, as the kernel shows it, says so. Zombies do not count.
[[nodiscard]] std::vector<int> processes_of(const std::filesystem::path& dir);

/// The value of a variable in a live process' environment; empty if it has none.
[[nodiscard]] std::string variable_of(int pid, const std::string& name);
/// The command lines of all processes of this machine, one in a line.
[[nodiscard]] std::string all_command_lines();
/// The paths of all files below a folder, relative to it, sorted.
[[nodiscard]] std::vector<std::string> files_below(const std::filesystem::path& dir);
/// POSIX shared memory of this machine, and System V segments whose creator has ended, by name or
/// id.
[[nodiscard]] std::vector<std::string> shared_memory();

/// Whether all bytes of the device are free, none reserved, and no job is on it. Needs a live
/// agent.
[[nodiscard]] bool is_all_free(const Host& host, std::string_view device);

/// The lines that an agent logged as warnings or worse, without those that contain one of
/// `expected`.
[[nodiscard]] std::vector<std::string> complaints(const Host& host,
                                                  const std::vector<std::string>& expected);

/// Fails the test when a job's process outlives its hosts by 5 s, and ends that process. Declare it
/// after the folder and before the hosts.
class NothingOutlives {
 public:
  explicit NothingOutlives(std::filesystem::path dir) : dir_(std::move(dir)) {}
  ~NothingOutlives();
  NothingOutlives(const NothingOutlives&) = delete;
  NothingOutlives& operator=(const NothingOutlives&) = delete;

 private:
  std::filesystem::path dir_;
};

}  // namespace cardswap::test
