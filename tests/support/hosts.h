#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace cardswap::test {

/// Two network namespaces with a veth pair between them: two hosts with addresses of their own.
class NetnsPair {
 public:
  enum class ProcessFamily { v4, v6 };

  /// Why the machine cannot have one, or nothing.
  [[nodiscard]] static std::optional<std::string> missing();
  /// `family` is the only one that they have addresses of, besides lo's.
  explicit NetnsPair(ProcessFamily family = ProcessFamily::v4);
  ~NetnsPair();
  NetnsPair(const NetnsPair&) = delete;
  NetnsPair& operator=(const NetnsPair&) = delete;

  [[nodiscard]] std::string name(int side) const { return prefix_ + std::to_string(side); }
  [[nodiscard]] static std::string address(int side) {
    return "10.231.77." + std::to_string(side + 1);
  }
  [[nodiscard]] static std::string address6(int side) {
    return "fd77::" + std::to_string(side + 1);
  }
  /// With its zone, of the interface between them.
  [[nodiscard]] std::string link_local(int side) const;
  void limit(const std::string& rate);
  void cut();
  void heal();
  [[nodiscard]] std::uint64_t bytes_sent(int side) const;

 private:
  [[nodiscard]] bool is_up(int side) const;

  std::string prefix_;
};

struct HostOptions {
  std::string name;
  std::vector<std::string> devices{"cpu:0"};
  std::string netns;                  ///< empty: this one
  std::string address = "127.0.0.1";  ///< empty: no TCP port
  std::string called;                 ///< by others; empty: by `address`
  std::string transports;
  std::vector<std::string> more;  ///< further options of the agent
  std::vector<std::string> env;   ///< "KEY=VALUE", of the agent
  /// Where the agent is root and has no --job-user, whoever may start jobs is root too.
  bool root_jobs = true;
  std::string programs;  ///< the folder of the agent and of what it starts; empty: as built
};

/// One host: its agent, and the command that speaks to it.
class Host {
 public:
  Host(std::filesystem::path dir, HostOptions options);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void start_agent();
  /// Starts it again where agent.json cannot be written: it runs as soon as it answers.
  void start_agent_on_a_full_disk();
  void kill_agent(int signal);
  /// Runs `cardswap ARGS` against this host's agent.
  [[nodiscard]] Outcome command(std::vector<std::string> arguments) const;
  /// The same with -o json; throws when it fails.
  [[nodiscard]] boost::json::object ask(std::vector<std::string> arguments) const;

  [[nodiscard]] std::string at(const std::string& device) const;  ///< "127.0.0.1:4711/cpu:0"
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int agent_pid() const { return agent_->pid(); }
  [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }
  [[nodiscard]] std::string log() const { return read_file((dir_ / "agent.log").string()); }

  void run_job(const std::string& name, std::vector<std::string> program,
               const std::string& device = "cpu:0");
  [[nodiscard]] boost::json::object job(const std::string& name) const;
  [[nodiscard]] std::int64_t step_of(const std::string& name) const;
  [[nodiscard]] bool steps_again_within(const std::string& name, std::chrono::milliseconds) const;
  [[nodiscard]] bool ended_within(const std::string& name, std::chrono::milliseconds) const;
  /// Live standbys and reserved memory: must be nothing after an abort.
  [[nodiscard]] std::string leftovers() const;

 private:
  void launch_agent();
  /// A sanitizer may have spoken in a process whose end nobody looks at.
  void fail_on_sanitizer_reports() const;

  std::filesystem::path dir_;
  HostOptions options_;
  std::unique_ptr<Child> agent_;
  int port_ = 0;
};

[[nodiscard]] std::string text(const boost::json::object& from, std::string_view key);
[[nodiscard]] double number(const boost::json::object& from, std::string_view key);

/// What trainers logged, without the note of where they moved.
[[nodiscard]] std::string losses(const std::filesystem::path& log);
/// The same training, undisturbed, from start to end.
[[nodiscard]] std::string undisturbed(const std::vector<std::string>& program);

/// Paths of the built programs.
[[nodiscard]] std::string trainer(const std::string& name);

}  // namespace cardswap::test
