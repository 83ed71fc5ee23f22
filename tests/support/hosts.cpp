#include "tests/support/hosts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>
#include <stdexcept>

#include "agent/base/address.h"
#include "agent/base/json_fields.h"
#include "tests/support/http.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {

namespace json = boost::json;
using std::chrono::milliseconds;

// ---- network namespaces

std::optional<std::string> NetnsPair::missing() {
  if (::geteuid() != 0) return "network namespaces need root";
  if (run({"ip", "-V"}).exit_code != 0) return "iproute2 is not installed";
  const auto name = fmt::format("cs{}probe", ::getpid());
  if (run({"ip", "netns", "add", name}).exit_code != 0) return "this machine has no namespaces";
  (void)run({"ip", "netns", "del", name});
  return std::nullopt;
}

NetnsPair::NetnsPair(AddressFamily family) : prefix_(fmt::format("cs{}n", ::getpid())) {
  const auto must = [](const std::vector<std::string>& argv) {
    const auto outcome = run(argv);
    if (outcome.exit_code != 0)
      throw std::runtime_error(fmt::format("{}: {}", argv[1], outcome.err));
  };
  for (int side = 0; side < 2; ++side) {
    (void)run({"ip", "netns", "del", name(side)});
    must({"ip", "netns", "add", name(side)});
  }
  must({"ip", "link", "add", "veth0", "netns", name(0), "type", "veth", "peer", "name", "veth0",
        "netns", name(1)});
  for (int side = 0; side < 2; ++side) {
    if (family == AddressFamily::v4) {
      must({"ip", "-n", name(side), "addr", "add", address(side) + "/24", "dev", "veth0"});
    } else {
      must(
          {"ip", "-n", name(side), "addr", "add", address6(side) + "/64", "dev", "veth0", "nodad"});
    }
    must({"ip", "-n", name(side), "link", "set", "veth0", "up"});
    must({"ip", "-n", name(side), "link", "set", "lo", "up"});
  }
  // The link comes up with a delay, and UCX ignores an interface that is not up.
  if (!within(milliseconds(5000), [&] { return is_up(0) && is_up(1); })) {
    throw std::runtime_error("the veth pair did not come up");
  }
}

std::string NetnsPair::link_local(int side) const {
  std::string found;
  // An address is tentative for a second, and cannot be bound meanwhile.
  (void)within(milliseconds(5000), [&] {
    const auto shown = run({"ip", "-n", name(side), "-6", "-o", "addr", "show", "dev", "veth0",
                            "scope", "link", "-tentative"});
    const auto at = shown.out.find("fe80:");
    if (at == std::string::npos) return false;
    found = shown.out.substr(at, shown.out.find('/', at) - at) + "%veth0";
    return true;
  });
  return found;
}

bool NetnsPair::is_up(int side) const {
  const auto outcome =
      run({"ip", "netns", "exec", name(side), "cat", "/sys/class/net/veth0/operstate"});
  return outcome.out.starts_with("up");
}

NetnsPair::~NetnsPair() {
  for (int side = 0; side < 2; ++side) (void)run({"ip", "netns", "del", name(side)});
}

void NetnsPair::limit(const std::string& rate) {
  for (int side = 0; side < 2; ++side) {
    const auto outcome =
        run({"ip", "netns", "exec", name(side), "tc", "qdisc", "replace", "dev", "veth0", "root",
             "tbf", "rate", rate, "burst", "256kb", "latency", "100ms"});
    if (outcome.exit_code != 0) throw std::runtime_error("tc: " + outcome.err);
  }
}

void NetnsPair::cut() { (void)run({"ip", "-n", name(0), "link", "set", "veth0", "down"}); }

void NetnsPair::heal() { (void)run({"ip", "-n", name(0), "link", "set", "veth0", "up"}); }

std::uint64_t NetnsPair::bytes_sent(int side) const {
  const auto outcome =
      run({"ip", "netns", "exec", name(side), "cat", "/sys/class/net/veth0/statistics/tx_bytes"});
  return outcome.exit_code == 0 ? std::stoull(outcome.out) : 0;
}

// ---- a host

Host::Host(std::filesystem::path dir, HostOptions options)
    : dir_(std::move(dir)), options_(std::move(options)) {
  std::filesystem::create_directories(dir_);
  start_agent();
}

Host::~Host() {
  if (agent_ && !agent_->ended()) {
    const auto listed = command({"-o", "json", "jobs"});
    if (listed.exit_code == 0) {
      const auto answer = json::parse(listed.out);
      for (const auto& item : answer.at("jobs").as_array()) {
        const auto& pid = item.at("pid");
        if (pid.is_int64()) ::kill(-static_cast<int>(pid.as_int64()), SIGKILL);
      }
    }
    agent_->kill(SIGTERM);
    if (!within(milliseconds(3000), [&] { return agent_->ended(); })) agent_->kill(SIGKILL);
  }
  fail_on_sanitizer_reports();
}

void Host::fail_on_sanitizer_reports() const {
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_, gone)) {
    if (entry.path().filename().string().find("log") == std::string::npos) continue;
    fail_on_sanitizer_report(entry.path().string(), read_file(entry.path().string()));
  }
}

void Host::start_agent() {
  std::error_code gone;
  std::filesystem::remove(dir_ / "agent.json", gone);
  launch_agent();
  if (!within(milliseconds(10'000),
              [&] { return agent_->ended() || std::filesystem::exists(dir_ / "agent.json"); }) ||
      agent_->ended()) {
    throw std::runtime_error("the agent did not start: " + log());
  }
  port_ = static_cast<int>(
      json::parse(read_file((dir_ / "agent.json").string())).at("port").as_int64());
}

void Host::start_agent_on_a_full_disk() {
  launch_agent();
  const auto answers = [&] { return command({"jobs"}).exit_code == 0; };
  if (!within(milliseconds(10'000), [&] { return agent_->ended() || answers(); }) ||
      agent_->ended()) {
    throw std::runtime_error("the agent did not start: " + log());
  }
}

void Host::launch_agent() {
  std::vector<std::string> argv;
  if (!options_.netns.empty()) argv = {"ip", "netns", "exec", options_.netns};
  if (!options_.env.empty()) argv.emplace_back("env");
  argv.insert(argv.end(), options_.env.begin(), options_.env.end());
  argv.push_back(options_.programs.empty() ? CARDSWAPD : options_.programs + "/cardswapd");
  argv.insert(argv.end(),
              {"--data-dir", dir_.string(), "--host-name", options_.name, "--failpoints"});
  if (!options_.address.empty()) {
    const auto listen = fmt::format("{}:{}", bracketed(options_.address), port_);
    argv.insert(argv.end(), {"--listen", listen});
    // Hosts in network namespaces cannot ask the kernel who calls.
    if (!is_loopback(options_.address)) argv.emplace_back("--insecure-listen");
  }
  const auto says = [&](const char* word) {
    return std::ranges::find(options_.more, word) != options_.more.end();
  };
  if (options_.root_jobs && ::geteuid() == 0 && !says("--job-user")) {
    argv.insert(argv.end(), {"--job-user", "root"});
  }
  if (!options_.transports.empty()) {
    argv.insert(argv.end(), {"--transports", options_.transports});
  }
  argv.insert(argv.end(), options_.more.begin(), options_.more.end());
  if (says("--tls-key") && !says("--job-user")) argv.emplace_back("--jobs-share-my-user");
  for (const auto& device : options_.devices) argv.insert(argv.end(), {"--device", device});
  agent_ = std::make_unique<Child>(argv, (dir_ / "agent.log").string());
}

void Host::kill_agent(int signal) {
  // `ip netns exec` becomes the agent: the child is the agent itself.
  agent_->kill(signal);
  (void)agent_->wait();
}

Outcome Host::command(std::vector<std::string> arguments) const {
  std::vector<std::string> argv{CARDSWAP, "--agent", (dir_ / "cardswapd.sock").string()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run(argv);
}

json::object Host::ask(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"-o", "json"});
  const auto outcome = command(arguments);
  if (outcome.exit_code != 0) {
    throw std::runtime_error(fmt::format("cardswap {}: exit {}: {}", fmt::join(arguments, " "),
                                         outcome.exit_code, outcome.err));
  }
  return json::parse(outcome.out).as_object();
}

std::string Host::at(const std::string& device) const {
  const auto& called = options_.called.empty() ? options_.address : options_.called;
  return fmt::format("{}:{}/{}", bracketed(called), port_, device);
}

void Host::run_job(const std::string& name, std::vector<std::string> program,
                   const std::string& device) {
  std::vector<std::string> arguments{
      "run", "--name", name, "--device", device, "--env", "OMP_NUM_THREADS=1", "--"};
  arguments.insert(arguments.end(), program.begin(), program.end());
  (void)ask(arguments);
}

json::object Host::job(const std::string& name) const {
  // Without the command, because conditions ask this fifty times a second.
  const auto answer = ask_over_unix(*this, {.target = "/v1/jobs"});
  if (answer.status != 200) throw std::runtime_error("GET /v1/jobs: " + answer.content);
  json::object found;
  for (const auto& item : answer.body.at("jobs").as_array()) {
    if (text(item.as_object(), "name") == name) found = item.as_object();
  }
  return found;
}

std::int64_t Host::step_of(const std::string& name) const {
  return static_cast<std::int64_t>(number(job(name), "step"));
}

bool Host::steps_again_within(const std::string& name, milliseconds limit) const {
  const auto before = step_of(name);
  return within(limit, [&] {
    const auto now = job(name);
    return number(now, "step") > static_cast<double>(before) || text(now, "state") == "ended";
  });
}

bool Host::ended_within(const std::string& name, milliseconds limit) const {
  return within(limit, [&] {
    const auto state = text(job(name), "state");
    return state == "ended" || state == "failed" || state == "moved" || state == "lost" ||
           state == "stopped";
  });
}

std::string Host::leftovers() const {
  std::string found;
  const auto jobs = ask({"jobs"});
  for (const auto& item : jobs.at("jobs").as_array()) {
    const auto& job = item.as_object();
    const auto state = text(job, "state");
    if (state == "standby" || state == "starting") found += text(job, "name") + " " + state + "; ";
    if (job.at("pid").is_int64() && state != "running") found += "a process; ";
  }
  const auto devices = ask({"devices"});
  for (const auto& item : devices.at("devices").as_array()) {
    const auto& device = item.as_object();
    if (device.at("jobs").as_array().empty() && number(device, "reserved_bytes") != 0) {
      found += text(device, "name") + " has a reservation; ";
    }
  }
  return found;
}

// ---- helpers

std::string text(const json::object& from, std::string_view key) { return text_at(from, key); }
double number(const json::object& from, std::string_view key) { return number_at(from, key); }

std::string losses(const std::filesystem::path& log) {
  std::istringstream lines(read_file(log.string()));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("moved")) kept += line + "\n";
  }
  return kept;
}

std::string undisturbed(const std::vector<std::string>& program) {
  const TempDir dir;
  std::vector<std::string> argv;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i] == "--step-ms")
      ++i;  // pacing changes no loss
    else
      argv.push_back(program[i]);
  }
  argv.insert(argv.end(), {"--loss-log", (dir.path() / "losses").string()});
  std::vector<std::string> with_env{"env", "OMP_NUM_THREADS=1"};
  with_env.insert(with_env.end(), argv.begin(), argv.end());
  const auto outcome = run(with_env);
  if (outcome.exit_code != 0)
    throw std::runtime_error("the undisturbed run failed: " + outcome.err);
  return losses(dir.path() / "losses");
}

std::string trainer(const std::string& name) { return std::string(TRAINERS) + "/" + name; }

}  // namespace cardswap::test
