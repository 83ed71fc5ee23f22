#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "agent/base/default_paths.h"
#include "agent/base/tls_files.h"

namespace cardswap {

/// The options of cardswapd's command line as texts; daemon_config.h interprets them.
struct DaemonOptions {
  std::string data_dir = default_data_dir().string();
  std::string socket;
  std::string listen;
  std::string host_name;
  std::string data_host;
  std::string transports;
  std::vector<std::string> devices;
  std::vector<std::string> peers;
  std::string log_format = "text";
  std::string log_level = "info";
  std::string health_policy;
  std::string kernel_log = "/dev/kmsg";
  std::string nvml = "libnvidia-ml.so.1";
  std::string libcuda = "libcuda.so.1";
  std::string watch_nvml;
  std::string check_policy;
  bool encrypt_always = false;
  std::string criu;
  bool criu_trust_peers = false;
  std::string list_gpus;
  bool failpoints = false;
  bool insecure_listen = false;
  tls::Files tls;
  std::string token_file;
  std::string api_group;
  std::string job_user;
  bool jobs_share_my_user = false;
  std::string job_log_max = "1GiB";
  std::string mtbf = "24h";
  std::vector<std::string> job_users;
  std::string job_user_group;
  bool no_new_privs = false;
};

/// Adds every option, in the order of --help and of docs/cardswapd.md.
void add_options(CLI::App& app, DaemonOptions& options);

}  // namespace cardswap
