#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <boost/asio/signal_set.hpp>
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <iostream>

#include "agent/agent.h"
#include "agent/base/json_log.h"
#include "agent/daemon_config.h"
#include "agent/daemon_options.h"
#include "agent/data_dir.h"
#include "agent/devices/gpu_inventory.h"
#include "agent/health/decisions/policy_yaml.h"
#include "agent/health/sources/nvml_watch.h"
#include "agent/process/service_notifier.h"

namespace cardswap {
namespace {

void set_up_log(const DaemonOptions& options) {
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

int serve(const DaemonOptions& options) {
  // Whoever gives an agent that is not root a right of its own, such as CAP_SYSLOG, means no job.
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const auto config = config_from(options);
  take_data_dir(config);
  warn_of_wide_access(config, options);
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
    if (context.run_one() == 0 || agent.is_stopped()) break;
  }
  return 0;
}

}  // namespace
}  // namespace cardswap

int main(int argc, char** argv) {
  using namespace cardswap;
  DaemonOptions options;
  CLI::App app("Cardswap's host agent: runs training jobs and moves them live to other hosts",
               "cardswapd");
  add_options(app, options);
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
