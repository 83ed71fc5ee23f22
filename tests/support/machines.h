#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fleet_certificates.h"
#include "tests/support/hosts.h"
#include "tests/support/process.h"

namespace cardswap::test {

/// A network for machines: a bridge in a network namespace. Must outlive them. Needs root.
class Switch {
 public:
  /// Why this computer cannot have machines; nothing: it can.
  [[nodiscard]] static std::optional<std::string> missing();
  Switch();
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// The network namespace of machine `number`.
  [[nodiscard]] std::string netns(int number) const;
  [[nodiscard]] static std::string address(int number);

 private:
  std::string name_;
};

/// A machine as an operator sees one: a name, an address, processes that all die when it loses its
/// power, a boot id that changes with each boot, and its own files in /etc.
///
/// It is made of PID, mount, UTS and network namespaces; its files are the computer's, under a
/// folder of its own.
class Machine {
 public:
  /// Boots. `names` are the names of all machines, for /etc/hosts; this one's is names[number].
  Machine(Switch& network, std::filesystem::path dir, int number, std::vector<std::string> names);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Ends every process of the machine at once.
  void lose_power();
  void boot();
  void unplug();
  void plug();

  /// Runs a program on the machine to its end.
  [[nodiscard]] Outcome run(const std::vector<std::string>& argv) const;
  /// Starts a program on the machine in the background. Signals to the Child do not reach the
  /// program: use inside().
  [[nodiscard]] Child start(const std::vector<std::string>& argv, const std::string& log) const;
  /// The pid outside of the machine of the program that a Child of start() runs; 0: it has ended.
  [[nodiscard]] static int inside(const Child& child);
  /// The command line that runs `argv` on the machine from outside.
  [[nodiscard]] std::vector<std::string> on_it(const std::vector<std::string>& argv) const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string address() const { return Switch::address(number_); }
  [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }

 private:
  Switch& network_;
  std::filesystem::path dir_;
  int number_;
  std::vector<std::string> names_;
  std::string name_;
  std::unique_ptr<Child> power_;  // all processes of the machine die with it
  int init_ = 0;                  // pid 1 of the machine: its pid outside
};

/// A machine with an agent that is set up as docs/security.md says: TLS, the agent as root, jobs as
/// another user.
class GpuHost {
 public:
  static constexpr const char* kJobUser = "trainer";

  GpuHost(Switch& network, const std::filesystem::path& dir, int number,
          std::vector<std::string> names, const FleetCertificates& fleet,
          std::vector<std::string> options = {});
  ~GpuHost();
  GpuHost(const GpuHost&) = delete;
  GpuHost& operator=(const GpuHost&) = delete;

  void start_agent();
  /// Sends the agent a signal and waits for its end. Throws std::runtime_error if it does not end.
  void stop_agent(int signal);
  /// Sets the agent's options for the next start_agent().
  void set_options(std::vector<std::string> options) { options_ = std::move(options); }

  /// Runs `cardswap ARGS` on this machine, over the agent's socket.
  [[nodiscard]] Outcome command(std::vector<std::string> arguments) const;
  [[nodiscard]] boost::json::object ask(std::vector<std::string> arguments) const;
  [[nodiscard]] boost::json::object job(const std::string& name) const;
  [[nodiscard]] std::string state_of(const std::string& name) const;
  [[nodiscard]] std::int64_t step_of(const std::string& name) const;
  [[nodiscard]] bool steps_again_within(const std::string& name, std::chrono::milliseconds) const;
  /// Starts a job that writes its losses to the file `losses` in this machine's folder.
  void run_trainer(const std::string& name, std::vector<std::string> more = {},
                   std::vector<std::string> job_options = {});
  [[nodiscard]] std::string log() const;

  Machine& machine() { return machine_; }
  [[nodiscard]] const std::string& name() const { return machine_.name(); }
  [[nodiscard]] std::string device() const { return name() + "/cpu:0"; }

 private:
  [[nodiscard]] std::filesystem::path data() const { return machine_.dir() / "data"; }

  std::vector<std::string> options_;
  std::vector<std::string> tls_;
  Machine machine_;
  std::unique_ptr<Child> agent_;
};

}  // namespace cardswap::test
