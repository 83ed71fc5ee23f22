#include <fmt/format.h>

#include <fstream>
#include <optional>

#include "agent/health/monitor.h"
#include "agent/process/command.h"

namespace cardswap::health {
namespace {

struct ProbeResult {
  int code = 3;  ///< as Nagios: 0 well, 1 warning, 2 critical, 3 cannot tell
  std::string text;
};

/// "2 the fan stands still": the first line of a file that somebody else writes.
ProbeResult read_probe(const std::string& path) {
  std::ifstream file(path);
  std::string line(256, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(file.gcount()));
  line.resize(std::min(line.find('\n'), line.size()));
  const bool told =
      !line.empty() && line[0] >= '0' && line[0] <= '3' && (line.size() == 1 || line[1] == ' ');
  if (!told) return {3, line.empty() ? "no " + path : path + " starts with no 0, 1, 2 or 3"};
  return {line[0] - '0', line.size() > 2 ? line.substr(2) : ""};
}

asio::awaitable<ProbeResult> run_probe(asio::io_context& context, Probe probe) {
  if (!probe.file.empty()) co_return read_probe(probe.file);
  ProbeResult result;
  try {
    const auto ran =
        co_await run_command(context, probe.argv, std::chrono::milliseconds(probe.timeout));
    const bool known = ran.exit_code >= 0 && ran.exit_code <= 3;
    result.code = known ? ran.exit_code : 3;
    result.text = ran.timed_out ? fmt::format("no answer within {} ms", probe.timeout)
                                : ran.output.substr(0, ran.output.find('\n'));
    if (!known && !ran.timed_out) result.text = fmt::format("exit code {}", ran.exit_code);
  } catch (const Error& error) {
    result.text = error.failure();
  }
  co_return result;
}

}  // namespace

asio::awaitable<void> Monitor::probe(Probe probe, unsigned generation) {
  while (true) {
    const auto result = co_await run_probe(context_, probe);
    if (generation != policy_number_) co_return;  // another policy was read
    Finding finding;
    finding.source = Source::probe;
    finding.lasting = true;
    finding.who = probe.name;
    finding.detail = shown(result.text);
    finding.code = "probe:" + probe.name;
    finding.firing = result.code == 1 || result.code == 2;
    finding.severity = result.code == 2 ? Severity::critical : Severity::warning;
    // One that cannot tell changes nothing about the device: it is a finding about the probe.
    if (result.code != 3) report(finding, probe.device);
    finding.code = "probe_failed:" + probe.name;
    finding.firing = result.code == 3;
    finding.severity = Severity::warning;
    report(finding, std::string(kHost));
    co_await pause_for(std::chrono::milliseconds(probe.every));
    if (generation != policy_number_) co_return;
  }
}

}  // namespace cardswap::health
