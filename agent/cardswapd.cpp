#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <iostream>

#include "agent/agent.h"
#include "agent/base/data_dir.h"
#include "agent/base/json_log.h"
#include "agent/base/units.h"
#include "agent/cli/agent_address.h"
#include "agent/cli/default_paths.h"
#include "agent/health/nvml_watch.h"
#include "agent/health/policy_yaml.h"
#include "agent/jobs/gpu_inventory.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/notifier.h"

namespace cardswap {
namespace {

struct Options {
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
  std::vector<std::string> job_users;
  std::string job_user_group;
  bool no_new_privs = false;
};

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
void look_up_gpus(std::vector<DeviceConfig>& devices, const std::string& nvml) {
  const auto is_gpu = [](const DeviceConfig& device) { return device.kind() == "cuda"; };
  if (std::ranges::none_of(devices, is_gpu)) return;
  const auto gpus = list_gpus(nvml);
  for (auto& device : devices) {
    if (!is_gpu(device)) continue;
    const auto known = std::ranges::find_if(
        gpus, [&](const Gpu& gpu) { return device.name == fmt::format("cuda:{}", gpu.index); });
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
void check_key_is_not_the_jobs(const Options& options) {
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
void listen_as(const Options& options, Config& config) {
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
  if (!is_loopback(config.listen_host) && !options.insecure_listen && !config.tls.any()) {
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

/// What an operator should read once: who may do more here than the setting looks like.
void warn_of_open_doors(const Config& config, const Options& options) {
  if (config.insecure_listen && config.has_port()) {
    spdlog::warn("{} answers everybody: whoever reaches it can run programs here", options.listen);
  } else if (config.has_port() && !config.tls.any()) {
    spdlog::warn(
        "{} is without TLS: programs of root, of uid {}{} on this host are answered, and no "
        "other host",
        options.listen, ::geteuid(),
        config.api_group.empty() ? "" : " and of members of " + config.api_group);
  }
  if (config.root_jobs) {
    spdlog::warn("--job-user root: whoever may start jobs, other hosts' agents too, is root here");
  }
  if (!config.has_port() && (!config.peers.empty() || config.tls.any())) {
    spdlog::warn("without --listen this agent has no TCP port: no job moves from it or to it");
  }
}

Config config_from(const Options& options) {
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
  config.job_user = options.job_user;
  config.job_users = options.job_users;
  config.job_user_group = options.job_user_group;
  settle_job_users(config);
  check_key_is_not_the_jobs(options);
  config.insecure_listen = options.insecure_listen && !config.tls.any();
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
  look_up_gpus(config.devices, config.nvml);
  for (const auto& peer : options.peers) {
    config.peers.push_back(cli::parse_agent_address("--peer", peer).agent.text());
  }
  if (config.devices.empty()) config.devices.push_back({"cpu:0", 0});
  return config;
}

void set_up_log(const Options& options) {
  auto logger = spdlog::stderr_logger_st("cardswapd");
  if (options.log_format == "json") {
    logger->set_formatter(json_log_format());
  } else {
    logger->set_formatter(text_log_format());
  }
  spdlog::set_default_logger(logger);
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  spdlog::flush_on(spdlog::level::info);
}

int check_policy(const std::string& file) {
  const auto policy = health::policy_from_file(file);
  std::cout << fmt::format("{} is good: mode {}, {} rules, {} probes, {} spares, {} devices\n",
                           file, policy.act ? "act" : "observe", policy.rules.size(),
                           policy.probes.size(), policy.spares.size(), policy.devices.size());
  return 0;
}

int serve(const Options& options) {
  // Whoever gives an agent that is not root a right of its own, such as CAP_SYSLOG, means no job.
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const auto config = config_from(options);
  take_data_dir(config);
  warn_of_open_doors(config, options);
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context context(1);
  Agent agent(context, config);
  ServiceNotifier manager(context);
  agent.start();
  asio::signal_set reloads(context, SIGHUP);
  asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    spdlog::info("stopping; the jobs go on");
    manager.stopping();
    reloads.cancel();
    agent.stop();
  });
  std::function<void()> wait_for_reload = [&] {
    reloads.async_wait([&](const boost::system::error_code& error, int) {
      if (error) return;
      agent.reload();
      wait_for_reload();
    });
  };
  wait_for_reload();
  manager.ready([&agent] { return agent.summary(); });
  while (true) {
    if (context.run_one() == 0 || agent.stopped()) break;
  }
  return 0;
}

}  // namespace
}  // namespace cardswap

int main(int argc, char** argv) {
  using namespace cardswap;
  Options options;
  CLI::App app("Cardswap's host agent: runs training jobs and moves them live to other hosts",
               "cardswapd");
  app.set_version_flag("--version", CARDSWAP_VERSION);
  app.add_option("--data-dir", options.data_dir, "Journal, logs and sockets")
      ->capture_default_str();
  app.add_option("--socket", options.socket,
                 "Unix socket of the API (default DATA_DIR/cardswapd.sock)");
  app.add_option("--listen", options.listen,
                 "ADDRESS:PORT for other agents; port 0 takes a free one (default: no TCP port, "
                 "and no moves)");
  app.add_flag("--insecure-listen", options.insecure_listen,
               "Without certificates, answer everybody who reaches --listen");
  app.add_option("--tls-cert", options.tls.certificate, "This agent's certificate (PEM)");
  app.add_option("--tls-key", options.tls.key, "Its key; nobody else may be able to read it");
  app.add_option("--tls-ca", options.tls.authority, "Certificate that signed everybody's");
  app.add_option("--tls-crl", options.tls.revoked,
                 "The authority's list of revoked certificates (PEM); read again on SIGHUP");
  app.add_flag("--encrypt-always", options.encrypt_always,
               "The data of every migration that leaves here is sealed");
  app.add_option(
      "--token-file", options.token_file,
      "Lines `viewer|operator|alerts SHA256-OF-TOKEN [NAME]` for callers without a certificate");
  app.add_option("--api-group", options.api_group,
                 "Group whose members may act through the unix socket");
  app.add_option("--job-user", options.job_user,
                 "User that jobs run as (default: the agent's own); needs root. Given twice, the "
                 "last counts")
      ->take_last();
  app.add_flag("--jobs-share-my-user", options.jobs_share_my_user,
               "With --tls-key: jobs may run as the agent's own user, who can read the key");
  app.add_option("--job-log-max", options.job_log_max,
                 "Of what a job printed, this much stays on disk, the last of it; none: all")
      ->capture_default_str();
  app.add_option("--job-users", options.job_users,
                 "Further users that operators and other agents may have jobs run as, a,b,...")
      ->delimiter(',');
  app.add_option("--job-user-group", options.job_user_group,
                 "The same: every member of this group");
  app.add_flag("--job-no-new-privs", options.no_new_privs,
               "Jobs gain nothing by running setuid programs");
  app.add_option("--host-name", options.host_name, "Name to show (default: the host's)");
  app.add_option(
      "--data-host", options.data_host,
      "Address on which arriving jobs take their data (default: --listen's; where that is "
      "every address, the one that the other agent called)");
  app.add_option("--transports", options.transports, "UCX transports for the data, such as tcp");
  app.add_option("--device", options.devices, "NAME[,memory=SIZE]; may be given several times");
  app.add_option(
      "--peer", options.peers,
      "HOST[:PORT] of another agent, where a drain may move jobs to; may be given several "
      "times");
  app.add_option("--log-format", options.log_format, "text, or json: one object a line")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--log-level", options.log_level, "Least level that is logged")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  app.add_option("--health-policy", options.health_policy,
                 "YAML: what to do about sick devices (default: observe)");
  app.add_option("--check-policy", options.check_policy,
                 "Only read this health policy and say whether it is good");
  app.add_option("--kernel-log", options.kernel_log, "Where the driver's XIDs are read; none: not")
      ->capture_default_str();
  app.add_option("--criu", options.criu,
                 "CRIU 4.1 or newer, which moves whole processes (default: $CARDSWAP_CRIU, what "
                 "scripts/setup.sh unpacked, or PATH); none: not used");
  app.add_flag(
      "--criu-trust-peers", options.criu_trust_peers,
      "With --job-user: let other agents' processes arrive, with whatever rights they bring");
  app.add_option("--nvml", options.nvml, "NVIDIA's management library; none: not loaded")
      ->capture_default_str();
  app.add_option("--libcuda", options.libcuda,
                 "NVIDIA's driver, which moves processes' CUDA state; none: not loaded")
      ->capture_default_str();
  app.add_option("--watch-nvml", options.watch_nvml,
                 "Only print what the library LIBRARY says (the agent runs itself so)");
  app.add_option("--list-gpus", options.list_gpus,
                 "Only print the GPUs that the library LIBRARY knows (the agent runs itself so)");
  app.add_flag("--failpoints", options.failpoints,
               "Allow migrations to be held in a state (tests)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!options.watch_nvml.empty()) return health::watch_nvml(options.watch_nvml);
  if (!options.list_gpus.empty()) return print_gpus(options.list_gpus);
  try {
    if (!options.check_policy.empty()) return check_policy(options.check_policy);
    set_up_log(options);
    return serve(options);
  } catch (const Error& error) {
    std::cerr << "cardswapd: " << error.failure() << "\n";
    if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << "\n";
    return error.code() == Code::bad_request ? 2 : 1;
  } catch (const std::exception& error) {
    std::cerr << "cardswapd: " << error.what() << "\n";
    return 1;
  }
}
