#include "tests/support/leftovers.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

namespace cardswap::test {

using namespace std::chrono_literals;

namespace {

std::vector<int> all_processes() {
  std::vector<int> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

std::string of_process(int pid, const char* file) {
  return read_file("/proc/" + std::to_string(pid) + "/" + file);
}

}  // namespace

std::string variable_of(int pid, const std::string& name) {
  const auto environment = std::string(1, '\0') + of_process(pid, "environ");
  const auto start = environment.find(std::string(1, '\0') + name + "=");
  if (start == std::string::npos) return {};
  const auto value = start + 2 + name.size();
  return environment.substr(value, environment.find('\0', value) - value);
}

std::vector<int> processes_of(const std::filesystem::path& dir) {
  // Ends with a slash, so that the folder "a" is not taken for "ab".
  const auto wanted = dir.string() + "/";
  std::vector<int> found;
  for (const int pid : all_processes()) {
    if (variable_of(pid, "CARDSWAP_SOCKET").starts_with(wanted)) found.push_back(pid);
  }
  return found;
}

std::string all_command_lines() {
  std::string lines;
  for (const int pid : all_processes()) lines += of_process(pid, "cmdline") + "\n";
  return lines;
}

std::vector<std::string> files_below(const std::filesystem::path& dir) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (!entry.is_directory()) files.push_back(entry.path().lexically_relative(dir).string());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> shared_memory() {
  std::vector<std::string> found;
  // A name of shared memory leads to no folder; what begins with "cs-" is other tests'.
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    const auto name = entry.path().filename().string();
    if (!entry.is_directory() && !name.starts_with("cs-")) found.push_back(name);
  }
  std::ranges::sort(found);
  std::istringstream lines(read_file("/proc/sysvipc/shm"));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string key;
    std::string id;
    std::string mode;
    std::string size;
    int creator = 0;
    words >> key >> id >> mode >> size >> creator;
    // Only segments whose creator has ended count: other programs of this machine come and go.
    if (::kill(creator, 0) != 0) found.push_back("System V " + id);
  }
  return found;
}

bool is_all_free(const Host& host, std::string_view device) {
  const auto answer = host.ask({"devices"});
  for (const auto& item : answer.at("devices").as_array()) {
    const auto& found = item.as_object();
    if (text(found, "name") != device) continue;
    return number(found, "free_bytes") == number(found, "total_bytes") &&
           number(found, "reserved_bytes") == 0 && found.at("jobs").as_array().empty();
  }
  return false;
}

std::vector<std::string> complaints(const Host& host, const std::vector<std::string>& expected) {
  std::istringstream lines(host.log());
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    // "2026-01-31 12:00:00.000 warning the text"
    std::istringstream words(line);
    std::string date;
    std::string time;
    std::string level;
    words >> date >> time >> level;
    if (level != "warning" && level != "error" && level != "critical") continue;
    const auto is_in_line = [&](const std::string& part) {
      return line.find(part) != std::string::npos;
    };
    if (std::ranges::none_of(expected, is_in_line)) found.push_back(line);
  }
  return found;
}

NothingOutlives::~NothingOutlives() {
  if (within(5s, [&] { return processes_of(dir_).empty(); })) return;
  const auto left = processes_of(dir_);
  ADD_FAILURE() << fmt::format("processes {} outlive their test", left);
  for (const int pid : left) ::kill(pid, SIGKILL);
}

}  // namespace cardswap::test
