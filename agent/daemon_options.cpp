#include "agent/daemon_options.h"

namespace cardswap {
namespace {

void add_door_options(CLI::App& app, DaemonOptions& options) {
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
}

void add_job_options(CLI::App& app, DaemonOptions& options) {
  app.add_option("--job-user", options.job_user,
                 "User that jobs run as (default: the agent's own); needs root. Given twice, the "
                 "last counts")
      ->take_last();
  app.add_flag("--jobs-share-my-user", options.jobs_share_my_user,
               "With --tls-key: jobs may run as the agent's own user, who can read the key");
  app.add_option("--job-log-max", options.job_log_max,
                 "How much of a job's latest output stays on disk; none: all of it")
      ->capture_default_str();
  app.add_option("--mtbf", options.mtbf,
                 "Mean time between failures of a job here, for `cardswap protect --every auto`")
      ->capture_default_str();
  app.add_option("--job-users", options.job_users,
                 "Further users that operators and other agents may have jobs run as, a,b,...")
      ->delimiter(',');
  app.add_option("--job-user-group", options.job_user_group,
                 "The same: every member of this group");
  app.add_flag("--job-no-new-privs", options.no_new_privs,
               "Jobs gain nothing by running setuid programs");
}

void add_host_options(CLI::App& app, DaemonOptions& options) {
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
}

void add_source_options(CLI::App& app, DaemonOptions& options) {
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
}

}  // namespace

void add_options(CLI::App& app, DaemonOptions& options) {
  add_door_options(app, options);
  add_job_options(app, options);
  add_host_options(app, options);
  add_source_options(app, options);
}

}  // namespace cardswap
