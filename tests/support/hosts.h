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
/// Needs root.
class NetnsPair {
 public:
  enum class AddressFamily { v4, v6 };

  /// Why this machine cannot have such a pair; nothing: it can.
  [[nodiscard]] static std::optional<std::string> missing();
  /// Apart from lo, the namespaces have addresses of `family` only.
  explicit NetnsPair(AddressFamily family = AddressFamily::v4);
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
  /// The link-local address of a side, with the interface as its zone.
  [[nodiscard]] std::string link_local(int side) const;
  void limit(const std::string& rate);
  void cut();
  void heal();
  [[nodiscard]] std::uint64_t bytes_sent(int side) const;

 private:
  [[nodiscard]] bool is_up(int side) const;

  std::string prefix_;
};

/// How a Host is set up. Its agent has the options that the members stand for, and those of `more`.
struct HostOptions {
  std::string name;
  std::vector<std::string> devices{"cpu:0"};
  std::string netns;                  ///< empty: the test's own
  std::string address = "127.0.0.1";  ///< empty: no TCP port
  std::string called;                 ///< the name by which other hosts call it; empty: `address`
  std::string transports;
  std::vector<std::string> more;  ///< further options of the agent
  std::vector<std::string> env;   ///< "KEY=VALUE", for the agent
  /// Whether the agent may start jobs as root if it is root itself and has no --job-user.
  bool root_jobs = true;
  std::string programs;  ///< folder of the agent and of what it starts; empty: as built
};

/// One host: its agent, and the command that calls it.
class Host {
 public:
  Host(std::filesystem::path dir, HostOptions options);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void start_agent();
  /// Starts the agent where agent.json cannot be written; returns when it answers.
  void start_agent_on_a_full_disk();
  void kill_agent(int signal);
  /// Runs `cardswap ARGS` against this host's agent.
  [[nodiscard]] Outcome command(std::vector<std::string> arguments) const;
  /// Runs the command with -o json and returns its output. Throws std::runtime_error if it fails.
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
  /// Live standbys and reserved memory; must be empty after an abort.
  [[nodiscard]] std::string leftovers() const;

 private:
  void launch_agent();
  /// Fails the test if a sanitizer has reported something in a process whose end no test looks at.
  void fail_on_sanitizer_reports() const;

  std::filesystem::path dir_;
  HostOptions options_;
  std::unique_ptr<Child> agent_;
  int port_ = 0;
};

[[nodiscard]] std::string text(const boost::json::object& from, std::string_view key);
[[nodiscard]] double number(const boost::json::object& from, std::string_view key);

/// The lines of a trainer's loss log, without those that say where the job moved.
[[nodiscard]] std::string losses(const std::filesystem::path& log);
/// The losses of the same training without a move.
[[nodiscard]] std::string undisturbed(const std::vector<std::string>& program);

/// The path of a trainer that was built.
[[nodiscard]] std::string trainer(const std::string& name);

}  // namespace cardswap::test
