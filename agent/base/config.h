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
  std::uint64_t memory_bytes = 0;  ///< 0: what the machine has
  std::string uuid;                ///< of a GPU; empty for a cpu
  std::string model;               ///< the same
  /// "cpu" or "cuda".
  [[nodiscard]] std::string kind() const { return name.substr(0, name.find(':')); }
};

/// What `cardswapd` was started with.
struct Config {
  std::filesystem::path data_dir;
  std::filesystem::path socket;  ///< default <data_dir>/cardswapd.sock
  std::string listen_host;       ///< empty: no TCP port
  std::uint16_t listen_port = 0;
  bool insecure_listen = false;      ///< without TLS, everybody is operator and agent
  tls::Files tls;                    ///< for the TCP port and for calls to other agents; or none
  std::filesystem::path token_file;  ///< of callers without a certificate; or none
  std::string api_group;  ///< its members are operators on the unix socket; empty: no group
  std::string host_name;
  std::string data_host;   ///< where standbys listen; default: the listen host
  std::string transports;  ///< UCX_TLS for jobs; empty: as UCX chooses
  std::vector<DeviceConfig> devices;
  std::vector<std::string> peers;      ///< other agents, as HOST:PORT
  std::string job_user;                ///< user of jobs that name none; empty: the agent's own user
  std::vector<std::string> job_users;  ///< other users that callers may choose for a job
  std::string job_user_group;          ///< callers may choose its members too
  bool root_jobs = false;     ///< --job-user root: everybody who may start jobs is root here
  bool no_new_privs = false;  ///< a job's setuid programs gain no rights
  std::uint64_t job_log_max = 1ULL << 30;  ///< bytes of a job's output on disk; 0: no bound
  bool encrypt_always = false;             ///< encrypts the data of every migration from here
  bool failpoints = false;
  std::filesystem::path health_policy;  ///< empty: the defaults, which only observe
  std::filesystem::path criu;           ///< empty: looked for; "none": not used
  bool criu_trust_peers = false;        ///< processes from peers keep whatever rights they had
  std::filesystem::path kernel_log = "/dev/kmsg";  ///< empty: not read
  std::string nvml = "libnvidia-ml.so.1";          ///< empty: not loaded
  std::string libcuda = "libcuda.so.1";            ///< empty: not loaded
  std::chrono::milliseconds peer_silence_max{3000};

  [[nodiscard]] bool has_port() const { return !listen_host.empty(); }
  /// The value of --listen.
  [[nodiscard]] Address listen_address() const { return {listen_host, listen_port}; }
  [[nodiscard]] std::filesystem::path runtime_socket() const { return data_dir / "runtime.sock"; }
  /// Where memory changes hands on this host (criu/handoff_dir.h).
  [[nodiscard]] std::filesystem::path handoff_dir() const { return data_dir / "handover"; }
  [[nodiscard]] std::filesystem::path job_dir(const std::string& name) const {
    return data_dir / "jobs" / name;
  }
};

}  // namespace cardswap
