#include "tests/support/machines.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <stdexcept>

#include "agent/base/units.h"

namespace cardswap::test {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

void must(const std::vector<std::string>& argv) {
  const auto outcome = run(argv);
  if (outcome.exit_code != 0) {
    throw std::runtime_error(fmt::format("{}: {}", fmt::join(argv, " "), outcome.err));
  }
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::error_code absent;
  std::filesystem::remove(file, absent);  // a copied one may lead elsewhere
  std::ofstream(file) << text;
  ::chmod(file.c_str(), 0644);
}

/// The script of pid 1. SIGCHLD is ignored, so that the kernel reaps orphaned processes of the
/// machine. /etc is mounted as a whole: a mount over a single file of the computer would end when
/// somebody replaces that file, as `useradd` does.
constexpr const char* kBoot = R"(set -e
read pid rest < /proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
hostname "$1"
mount --bind "$2/etc" /etc
mount --bind "$2/etc/boot_id" /proc/sys/kernel/random/boot_id
echo "$pid" > "$2/booting"
mv "$2/booting" "$2/booted"
trap '' CHLD
exec sleep infinity
)";

}  // namespace

std::optional<std::string> Switch::missing() {
  if (const auto why = NetnsPair::missing()) return why;
  const auto outcome = run({"unshare", "--mount", "--uts", "--pid", "--fork", "true"});
  if (outcome.exit_code != 0) return "this computer has no PID, mount and UTS namespaces";
  return std::nullopt;
}

Switch::Switch() : name_(fmt::format("cs{}sw", ::getpid())) {
  (void)run({"ip", "netns", "del", name_});
  must({"ip", "netns", "add", name_});
  must({"ip", "-n", name_, "link", "add", "br0", "type", "bridge"});
  must({"ip", "-n", name_, "link", "set", "br0", "up"});
}
Switch::~Switch() { (void)run({"ip", "netns", "del", name_}); }

std::string Switch::netns(int number) const { return fmt::format("{}{}", name_, number); }
std::string Switch::address(int number) { return fmt::format("10.231.79.{}", number + 1); }

Machine::Machine(Switch& network, std::filesystem::path dir, int number,
                 std::vector<std::string> names)
    : network_(network),
      dir_(std::move(dir)),
      number_(number),
      names_(std::move(names)),
      name_(names_.at(static_cast<std::size_t>(number))) {
  std::filesystem::create_directories(dir_ / "etc");
  ::chmod(dir_.c_str(), 0711);
  // Not while another test makes or removes an account (tests/security/users.cpp).
  must(
      {"flock", "/run/lock/cardswap-test-accounts", "cp", "-a", "/etc/.", (dir_ / "etc").string()});
  std::string hosts = "127.0.0.1 localhost\n::1 localhost\n";
  for (std::size_t i = 0; i < names_.size(); ++i) {
    hosts += fmt::format("{} {}\n", Switch::address(static_cast<int>(i)), names_[i]);
  }
  write(dir_ / "etc/hosts", hosts);
  write(dir_ / "etc/hostname", name_ + "\n");
  write(dir_ / "etc/passwd",
        fmt::format("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
                    "{}:x:6101:6101::/:/bin/sh\n",
                    GpuHost::kJobUser));
  write(dir_ / "etc/group",
        fmt::format("root:x:0:\nnogroup:x:65534:\n{}:x:6101:\n", GpuHost::kJobUser));
  const auto netns = network_.netns(number_);
  (void)test::run({"ip", "netns", "del", netns});
  must({"ip", "netns", "add", netns});
  must({"ip", "-n", network_.name(), "link", "add", fmt::format("port{}", number_), "type", "veth",
        "peer", "name", "eth0", "netns", netns});
  must({"ip", "-n", network_.name(), "link", "set", fmt::format("port{}", number_), "master",
        "br0"});
  must({"ip", "-n", netns, "addr", "add", address() + "/24", "dev", "eth0"});
  must({"ip", "-n", netns, "link", "set", "eth0", "up"});
  must({"ip", "-n", netns, "link", "set", "lo", "up"});
  plug();
  boot();
}

Machine::~Machine() {
  lose_power();
  (void)test::run({"ip", "netns", "del", network_.netns(number_)});
}

void Machine::boot() {
  std::filesystem::remove(dir_ / "booted");
  const auto id = random_hex(16);
  write(dir_ / "etc/boot_id", fmt::format("{}-{}-{}-{}-{}\n", id.substr(0, 8), id.substr(8, 4),
                                          id.substr(12, 4), id.substr(16, 4), id.substr(20)));
  power_ = std::make_unique<Child>(
      std::vector<std::string>{"ip", "netns", "exec", network_.netns(number_), "unshare", "--mount",
                               "--uts", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", kBoot,
                               "boot", name_, dir_.string()},
      (dir_ / "console").string());
  if (!within(10s, [&] { return power_->ended() || std::filesystem::exists(dir_ / "booted"); }) ||
      power_->ended()) {
    throw std::runtime_error(name_ + " does not boot: " + read_file((dir_ / "console").string()));
  }
  init_ = std::stoi(read_file((dir_ / "booted").string()));
}

void Machine::lose_power() {
  if (init_ == 0) return;
  ::kill(init_, SIGKILL);
  if (!within(10s, [&] { return power_->ended(); })) {
    throw std::runtime_error(name_ + " does not end");
  }
  init_ = 0;
}

void Machine::unplug() {
  must({"ip", "-n", network_.name(), "link", "set", fmt::format("port{}", number_), "down"});
}
void Machine::plug() {
  must({"ip", "-n", network_.name(), "link", "set", fmt::format("port{}", number_), "up"});
  const auto up = [&] {
    return test::run({"ip", "netns", "exec", network_.netns(number_), "cat",
                      "/sys/class/net/eth0/operstate"})
        .out.starts_with("up");
  };
  if (!within(5s, up)) throw std::runtime_error(name_ + ": the link does not come up");
}

std::vector<std::string> Machine::on_it(const std::vector<std::string>& argv) const {
  std::vector<std::string> words{
      "nsenter", "--target", std::to_string(init_), "--mount", "--uts", "--net", "--pid", "--"};
  words.insert(words.end(), argv.begin(), argv.end());
  return words;
}

Outcome Machine::run(const std::vector<std::string>& argv) const { return test::run(on_it(argv)); }

Child Machine::start(const std::vector<std::string>& argv, const std::string& log) const {
  return {on_it(argv), log};
}

int Machine::inside(const Child& child) {
  const auto text = read_file(fmt::format("/proc/{0}/task/{0}/children", child.pid()));
  return text.empty() ? 0 : std::stoi(text);
}

GpuHost::GpuHost(Switch& network, const std::filesystem::path& dir, int number,
                 std::vector<std::string> names, const FleetCertificates& fleet,
                 std::vector<std::string> options)
    : options_(std::move(options)),
      tls_(FleetCertificates::options(
          fleet.issue(ApiRole::agent, names.at(static_cast<std::size_t>(number)),
                      {names.at(static_cast<std::size_t>(number)), Switch::address(number)}))),
      machine_(network, dir, number, std::move(names)) {
  start_agent();
}

GpuHost::~GpuHost() {
  machine_.lose_power();
  agent_.reset();
}

void GpuHost::start_agent() {
  std::filesystem::remove(data() / "agent.json");
  std::vector<std::string> argv{
      CARDSWAPD,      "--data-dir", data().string(), "--listen", machine_.address() + ":7070",
      "--host-name",  name(),       "--job-user",    kJobUser,   "--failpoints",
      "--transports", "tcp",        "--nvml",        "none"};
  argv.insert(argv.end(), tls_.begin(), tls_.end());
  argv.insert(argv.end(), options_.begin(), options_.end());
  agent_ = std::make_unique<Child>(machine_.on_it(argv), (machine_.dir() / "agent.log").string());
  if (!within(10s,
              [&] { return agent_->ended() || std::filesystem::exists(data() / "agent.json"); }) ||
      agent_->ended()) {
    throw std::runtime_error(name() + ": the agent does not start: " + log());
  }
}

void GpuHost::stop_agent(int signal) {
  if (const int pid = Machine::inside(*agent_); pid != 0) ::kill(pid, signal);
  if (!within(10s, [&] { return agent_->ended(); })) {
    throw std::runtime_error(name() + ": the agent does not end: " + log());
  }
}

Outcome GpuHost::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {CARDSWAP, "--agent", (data() / "cardswapd.sock").string()});
  return machine_.run(arguments);
}

json::object GpuHost::ask(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"-o", "json"});
  const auto outcome = command(arguments);
  if (outcome.exit_code != 0) {
    throw std::runtime_error(fmt::format("{}: cardswap {}: exit {}: {}{}", name(),
                                         fmt::join(arguments, " "), outcome.exit_code, outcome.out,
                                         outcome.err));
  }
  return json::parse(outcome.out).as_object();
}

json::object GpuHost::job(const std::string& wanted) const {
  const auto answer = ask({"jobs"});
  json::object found;
  for (const auto& item : answer.at("jobs").as_array()) {
    if (text(item.as_object(), "name") == wanted) found = item.as_object();
  }
  return found;
}

std::string GpuHost::state_of(const std::string& wanted) const {
  return text(job(wanted), "state");
}

std::int64_t GpuHost::step_of(const std::string& wanted) const {
  return static_cast<std::int64_t>(number(job(wanted), "step"));
}

bool GpuHost::steps_again_within(const std::string& wanted, std::chrono::milliseconds limit) const {
  const auto before = step_of(wanted);
  return within(limit, [&] { return step_of(wanted) > before; });
}

void GpuHost::run_trainer(const std::string& wanted, std::vector<std::string> more,
                          std::vector<std::string> job_options) {
  std::vector<std::string> words{"run", "--name", wanted};
  words.insert(words.end(), job_options.begin(), job_options.end());
  words.insert(words.end(), {"--", trainer("plain_memory"), "--bytes", "2097152", "--step-ms", "20",
                             "--steps", "100000"});
  words.insert(words.end(), more.begin(), more.end());
  (void)ask(words);
  if (!within(20s, [&] { return step_of(wanted) >= 3; })) {
    throw std::runtime_error(name() + ": " + wanted + " does not train: " + log());
  }
}

std::string GpuHost::log() const { return read_file((machine_.dir() / "agent.log").string()); }

}  // namespace cardswap::test
