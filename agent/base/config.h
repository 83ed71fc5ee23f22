#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/tls_files.h"

namespace cardswap {

/// A device of this agent, as it was configured and found.
struct DeviceConfig {
  std::string name;                ///< "cpu:0", "cuda:1"
  std::uint64_t memory_bytes = 0;  ///< 0: all memory of the machine
  std::string uuid;                ///< a GPU's; empty for a cpu
  std::string model;               ///< a GPU's; empty for a cpu
  /// "cpu" or "cuda".
  [[nodiscard]] std::string kind() const { return name.substr(0, name.find(':')); }
};

/// The settings of `cardswapd`, complete and checked (daemon_config.h).
struct Config {
  std::filesystem::path data_dir;
  std::filesystem::path socket;   ///< default <data_dir>/cardswapd.sock
  std::string listen_host;        ///< empty: no TCP port
  std::uint16_t listen_port = 0;  ///< 0: the agent takes a free one, and gives its parts that
  bool insecure_listen = false;   ///< a port without TLS: every caller is operator and agent
  tls::Files tls;                 ///< for the TCP port and for calls to other agents; may be empty
  std::filesystem::path token_file;  ///< tokens of callers without a certificate; empty: no file
  std::string api_group;  ///< its members are operators on the unix socket; empty: no group
  std::string host_name;
  std::string data_host;   ///< where standbys listen; default: the listen host
  std::string transports;  ///< UCX_TLS for jobs; empty: UCX chooses
  std::vector<DeviceConfig> devices;
  std::vector<std::string> peers;      ///< other agents, as HOST:PORT
  std::string job_user;                ///< user of jobs that name none; empty: the agent's own user
  std::vector<std::string> job_users;  ///< other users that callers may choose for a job
  std::string job_user_group;          ///< callers may choose its members too
  bool root_jobs = false;     ///< --job-user root: everybody who may start jobs is root here
  bool no_new_privs = false;  ///< setuid programs of a job gain no rights
  std::uint64_t job_log_max = 1ULL << 30;  ///< bytes of a job's output on disk; 0: no bound
  /// The mean time between failures of a job, for protections that choose their interval.
  std::chrono::milliseconds mtbf = std::chrono::hours(24);
  bool encrypt_always = false;          ///< encrypt the data of every migration from here
  bool failpoints = false;              ///< requests may name a state to wait in; for tests
  std::filesystem::path health_policy;  ///< empty: the defaults, which only observe
  std::filesystem::path criu;           ///< empty: searched for; "none": not used
  bool criu_trust_peers = false;        ///< processes from peers keep any rights that they had
  std::filesystem::path kernel_log = "/dev/kmsg";  ///< empty: not read
  std::string nvml = "libnvidia-ml.so.1";          ///< empty: not loaded
  std::string libcuda = "libcuda.so.1";            ///< empty: not loaded
  /// A target whose agent is silent for this time counts as lost; after the commit, as in doubt.
  std::chrono::milliseconds peer_silence_max{3000};

  [[nodiscard]] bool has_port() const { return !listen_host.empty(); }
  /// The value of --listen.
  [[nodiscard]] Address listen_address() const { return {listen_host, listen_port}; }
  /// Where this host reaches its agent: an agent that listens at every address, by the loopback.
  [[nodiscard]] Address reached_here() const {
    if (!is_wildcard(listen_host)) return listen_address();
    const bool v6 = listen_host.find(':') != std::string::npos;
    return {v6 ? "::1" : "127.0.0.1", listen_port};
  }
  [[nodiscard]] std::filesystem::path runtime_socket() const { return data_dir / "runtime.sock"; }
  /// The folder of the sockets over which a process hands its memory over (criu/criu_socket_dir.h).
  /// It is called "handover" on disk because a newer agent must find the custodians of an older one
  /// there.
  [[nodiscard]] std::filesystem::path criu_socket_dir() const { return data_dir / "handover"; }
  [[nodiscard]] std::filesystem::path job_dir(const std::string& name) const {
    return data_dir / "jobs" / name;
  }
};

}  // namespace cardswap
