#include "agent/health/sources/probes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "agent/base/path_trust.h"
#include "agent/base/printable.h"
#include "agent/process/command.h"
#include "migrator/base/descriptor.h"

namespace cardswap::health {
namespace {

struct ProbeResult {
  int code = 3;  ///< as Nagios: 0 well, 1 warning, 2 critical, 3 cannot tell
  std::string text;
};

/// Why the file's text is not shown; empty: it is. A file that others may not read is shown only
/// from a folder that only root and this user may write: elsewhere it may be another file's second
/// name.
std::string why_not_shown(const std::string& path, const struct stat& facts) {
  if (!S_ISREG(facts.st_mode)) return path + " is no regular file";
  const bool is_ours = facts.st_uid == 0 || facts.st_uid == ::geteuid();
  if ((facts.st_mode & S_IROTH) != 0 || !is_ours) return {};
  const auto other = untrusted_part_of(path);
  if (other.empty()) return {};
  return fmt::format("{} is not shown: others may not read it, and {}", path, other);
}

/// Reads the first line of a file, such as "2 the fan stands still". Its writer is not trusted: it
/// must not make the reader wait.
ProbeResult read_probe(const std::string& path) {
  const Descriptor file(
      ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
  if (!file && errno == ELOOP) return {3, path + " is a link: name the file itself"};
  if (!file && errno == EWOULDBLOCK) return {3, "somebody holds a lease on " + path};
  if (!file && errno != ENOENT) return {3, fmt::format("{}: {}", path, std::strerror(errno))};
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) return {3, "no " + path};
  if (auto why = why_not_shown(path, facts); !why.empty()) return {3, std::move(why)};
  std::string line(256, '\0');
  const auto got = ::pread(file.get(), line.data(), line.size(), 0);
  line.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  line.resize(std::min(line.find('\n'), line.size()));
  const bool told =
      !line.empty() && line[0] >= '0' && line[0] <= '3' && (line.size() == 1 || line[1] == ' ');
  if (!told) return {3, path + " starts with no 0, 1, 2 or 3"};
  return {line[0] - '0', line.size() > 2 ? line.substr(2) : ""};
}

/// Why the program is not run; empty: it is. An agent that is root would run it as root.
std::string why_not_run(const std::string& program) {
  const auto other = ::geteuid() == 0 ? untrusted_part_of(program) : std::string();
  return other.empty() ? other : fmt::format("{} is not run as root: {}", program, other);
}

asio::awaitable<ProbeResult> run_probe(asio::io_context& context, Probe probe) {
  if (!probe.file.empty()) co_return read_probe(probe.file);
  ProbeResult result{3, why_not_run(probe.argv.at(0))};
  if (!result.text.empty()) co_return result;
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

void Probes::start() {
  ++generation_;
  for (const auto& probe : journalled_.engine().policy().probes) {
    tasks_.spawn("probe " + probe.name, follow(probe, generation_));
  }
}

asio::awaitable<void> Probes::follow(Probe probe, unsigned generation) {
  while (true) {
    const auto result = co_await run_probe(io_, probe);
    if (generation != generation_) co_return;  // another policy was read
    Finding finding;
    finding.source = FaultSource::probe;
    finding.lasting = true;
    finding.who = probe.name;
    finding.detail = excerpt(result.text);
    finding.code = "probe:" + probe.name;
    finding.firing = result.code == 1 || result.code == 2;
    finding.severity = result.code == 2 ? Severity::critical : Severity::warning;
    // A probe that cannot tell says nothing about the device: the finding is about the probe.
    if (result.code != 3) journalled_.report(finding, probe.device);
    finding.code = "probe_failed:" + probe.name;
    finding.firing = result.code == 3;
    finding.severity = Severity::warning;
    journalled_.report(finding, std::string(kHost));
    co_await pause_for(std::chrono::milliseconds(probe.every));
    if (generation != generation_) co_return;
  }
}

}  // namespace cardswap::health
