#include "agent/daemon_config.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <filesystem>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/base/units.h"
#include "agent/devices/gpu_inventory.h"
#include "agent/http/agent_address.h"
#include "agent/jobs/protection.h"
#include "agent/jobs/user_policy.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

DeviceConfig device_from(const std::string& text) {
  DeviceConfig device;
  const auto comma = text.find(',');
  device.name = text.substr(0, comma);
  if (comma != std::string::npos) {
    const auto option = text.substr(comma + 1);
    if (!option.starts_with("memory=")) {
      throw Error(Code::bad_request, fmt::format("--device {}: '{}' is not known", text, option),
                  "write it like cpu:0,memory=8GiB");
    }
    device.memory_bytes = parse_size("--device memory", option.substr(7));
  }
  const auto colon = std::string_view(device.name).find(':');
  const auto digits = std::string_view(device.name).substr(std::min(colon, device.name.size()));
  if ((device.kind() != "cpu" && device.kind() != "cuda") || digits.size() < 2 ||
      digits.find_first_not_of("0123456789", 1) != std::string_view::npos) {
    throw Error(Code::bad_request, fmt::format("--device: '{}' is no device", device.name),
                "cpu:0, cpu:1, ... and cuda:0, cuda:1, ... are");
  }
  return device;
}

/// What NVML knows of the GPUs among `devices`. A GPU that it does not know needs its memory told.
void find_gpus(std::vector<DeviceConfig>& devices, const std::string& nvml) {
  const auto is_gpu = [](const DeviceConfig& device) { return device.kind() == "cuda"; };
  if (std::ranges::none_of(devices, is_gpu)) return;
  const auto gpus = list_gpus(nvml);
  for (auto& device : devices) {
    if (!is_gpu(device)) continue;
    const auto known = std::ranges::find_if(
        gpus, [&](const GpuInfo& gpu) { return device.name == fmt::format("cuda:{}", gpu.index); });
    if (known != gpus.end()) {
      device.uuid = known->uuid;
      device.model = known->model;
      if (device.memory_bytes == 0) device.memory_bytes = known->total_bytes;
      if (device.memory_bytes == 0) {
        throw Error(Code::bad_request,
                    fmt::format("--device: NVML knows {} ({}{}{}) but not how much memory it has",
                                device.name, known->model.empty() ? "a GPU" : known->model,
                                known->uuid.empty() ? "" : ", ", known->uuid),
                    fmt::format("say how much jobs may use: --device {},memory=SIZE", device.name));
      }
    } else if (device.memory_bytes == 0) {
      throw Error(Code::bad_request,
                  fmt::format("--device: NVML knows no {} among {} GPUs", device.name, gpus.size()),
                  "`nvidia-smi -L` lists them; --nvml names the library");
    }
  }
}

/// Standbys listen there as it is written: no name, and no port.
std::string data_host(const std::string& text) {
  const auto address = address_from(text, 0);
  boost::system::error_code error;
  if (address && address->port == 0) (void)asio::ip::make_address(address->host, error);
  if (!address || address->port != 0 || error) {
    throw Error(Code::bad_request, fmt::format("--data-host: '{}' is no numeric address", text),
                "give an address of this host, such as 10.0.0.2 or fd00::2");
  }
  return address->host;
}

/// A job of the agent's own user reads the agent's key, and with it is this host to all others.
std::chrono::milliseconds mtbf_from(const std::string& text) {
  const auto mtbf = parse_duration("--mtbf", text);
  if (mtbf >= kMtbfMin && mtbf <= kMtbfMax) return mtbf;
  throw Error(Code::bad_request, fmt::format("--mtbf: '{}' is not from a minute to a year", text),
              "write it like 24h");
}

void check_key_is_not_the_jobs(const DaemonOptions& options) {
  if (options.tls.key.empty() || options.jobs_share_my_user) return;
  if (!options.job_user.empty() && job_user(options.job_user).uid != ::geteuid()) return;
  throw Error(Code::refused,
              fmt::format("--tls-key {}: jobs run as the agent's own user (uid {}), so each of "
                          "them could read the key and act as this host towards all others",
                          options.tls.key.string(), ::geteuid()),
              "start cardswapd as root with --job-user NAME, or say --jobs-share-my-user where "
              "every job may be trusted with that");
}

/// The TCP port. Throws Error where it would answer whoever reaches it, and nobody asked for that.
void listen_as(const DaemonOptions& options, Config& config) {
  auto listen = parse_address("--listen", options.listen, kAgentPort, true);
  config.listen_host = std::move(listen.host);
  config.listen_port = listen.port;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(config.listen_host, error);
  if (error) {
    throw Error(Code::bad_request, fmt::format("--listen: '{}' is no address", config.listen_host),
                "use a numeric address of this host");
  }
  // ::ffff:127.0.0.1 is 127.0.0.1: a caller is known by the address that the kernel names.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    config.listen_host = canonical_host(config.listen_host);
  }
  if (!is_loopback(config.listen_host) && !options.insecure_listen && !config.tls.is_configured()) {
    if (address.is_v6() && options.listen.front() != '[') {
      throw Error(Code::bad_request,
                  fmt::format("--listen {}: without brackets all of it is an address, and not "
                              "loopback",
                              options.listen),
                  "an IPv6 address with a port is written like [::1]:7070");
    }
    throw Error(Code::refused,
                fmt::format("--listen {}: without certificates everybody is answered, and this "
                            "address is not loopback",
                            options.listen),
                "give --tls-cert, --tls-key and --tls-ca (`cardswap pki` makes them), or say "
                "--insecure-listen if everybody who can reach it may control the jobs");
  }
}

}  // namespace

Config config_from(const DaemonOptions& options) {
  Config config;
  if (options.data_dir.empty()) {
    throw Error(Code::bad_request, "this user has no home folder for the agent's data",
                "give --data-dir, a folder that only this user may write");
  }
  // Absolute: jobs are told these paths and run in folders of their own.
  config.data_dir = std::filesystem::absolute(options.data_dir);
  config.socket = options.socket.empty() ? config.data_dir / "cardswapd.sock"
                                         : std::filesystem::absolute(options.socket);
  config.tls = options.tls;
  config.token_file = options.token_file;
  config.api_group = options.api_group;
  config.no_new_privs = options.no_new_privs;
  config.job_log_max =
      options.job_log_max == "none" ? 0 : parse_size("--job-log-max", options.job_log_max);
  config.mtbf = mtbf_from(options.mtbf);
  config.job_user = options.job_user;
  config.job_users = options.job_users;
  config.job_user_group = options.job_user_group;
  resolve_job_users(config);
  check_key_is_not_the_jobs(options);
  config.insecure_listen = options.insecure_listen && !config.tls.is_configured();
  if (!options.listen.empty()) listen_as(options, config);
  config.data_host = options.data_host.empty() ? config.listen_host : data_host(options.data_host);
  if (config.data_host.empty()) config.data_host = "127.0.0.1";
  config.transports = options.transports;
  config.encrypt_always = options.encrypt_always;
  config.failpoints = options.failpoints;
  config.health_policy = options.health_policy;
  config.criu = options.criu;
  config.criu_trust_peers = options.criu_trust_peers;
  config.kernel_log = options.kernel_log == "none" ? "" : options.kernel_log;
  config.nvml = options.nvml == "none" ? "" : options.nvml;
  config.libcuda = options.libcuda == "none" ? "" : options.libcuda;
  config.host_name = options.host_name;
  if (config.host_name.empty()) {
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    config.host_name = name.data();
  }
  for (const auto& device : options.devices) config.devices.push_back(device_from(device));
  find_gpus(config.devices, config.nvml);
  for (const auto& peer : options.peers) {
    config.peers.push_back(http::parse_agent_address("--peer", peer).agent.text());
  }
  if (config.devices.empty()) config.devices.push_back({"cpu:0", 0});
  return config;
}

void warn_of_wide_access(const Config& config, const DaemonOptions& options) {
  if (config.insecure_listen && config.has_port()) {
    spdlog::warn("{} answers everybody: whoever reaches it can run programs here", options.listen);
  } else if (config.has_port() && !config.tls.is_configured()) {
    spdlog::warn(
        "{} is without TLS: programs of root, of uid {}{} on this host are answered, and no "
        "other host",
        options.listen, ::geteuid(),
        config.api_group.empty() ? "" : " and of members of " + config.api_group);
  }
  if (config.root_jobs) {
    spdlog::warn("--job-user root: whoever may start jobs, other hosts' agents too, is root here");
  }
  if (!config.has_port() && (!config.peers.empty() || config.tls.is_configured())) {
    spdlog::warn("without --listen this agent has no TCP port: no job moves from it or to it");
  }
}

}  // namespace cardswap
