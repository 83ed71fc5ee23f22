#include "agent/criu/criu_program.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "agent/base/path_trust.h"
#include "agent/base/units.h"
#include "agent/criu/image_dir.h"
#include "agent/criu/init_program.h"
#include "agent/criu/rpc_message.h"
#include "agent/process/child.h"
#include "agent/process/program_beside.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap::criu {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kHowToGetIt = "scripts/setup.sh --criu, or `--criu PATH` for cardswapd";

bool is_program(const std::filesystem::path& path) {
  std::error_code unreadable;  // a folder of PATH that the agent's user may not enter
  return std::filesystem::is_regular_file(path, unreadable) && ::access(path.c_str(), X_OK) == 0;
}

struct Answer {
  int exit_code = -1;
  std::string text;
};

asio::awaitable<Answer> ask(std::string program, std::string word, std::filesystem::path dir) {
  ProcessSpec spec;
  spec.argv = {std::move(program), std::move(word)};
  spec.env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  spec.log = dir / ("criu-check-" + random_hex(4));
  const auto status = co_await run_to_exit(spec);
  Answer answer;
  if (WIFEXITED(status)) answer.exit_code = WEXITSTATUS(status);
  std::ifstream file(spec.log);
  answer.text.assign(std::istreambuf_iterator<char>(file), {});
  std::error_code ignored;
  std::filesystem::remove(spec.log, ignored);
  co_return answer;
}

std::string why_not_here() {
  if (::geteuid() != 0) return "the agent does not run as root, which CRIU needs";
  for (const auto* program : {"cardswap-init", "cardswap-holder"}) {
    if (!is_program(program_beside(program))) {
      return fmt::format("{} is not installed beside cardswapd", program);
    }
  }
  try {
    const ImageDir probe;
  } catch (const Error& error) {
    return error.failure();
  }
  return {};
}

/// Whether this kernel has no SO_PASSCRED for network sockets.
bool passcred_is_untold() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int value = 0;
  socklen_t size = sizeof(value);
  return socket && ::getsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &value, &size) != 0 &&
         errno == EOPNOTSUPP;
}

asio::awaitable<CriuProgram> probe_one(std::string path, std::filesystem::path dir) {
  CriuProgram tool;
  tool.path = std::move(path);
  // Also of --criu: whoever may replace that program would be root with the next look for it.
  if (const auto other = ::geteuid() == 0 ? untrusted_part_of(tool.path) : std::string();
      !other.empty()) {
    tool.problem = fmt::format("{} is not run as root: {} ({})", tool.path, other, kHowToGetIt);
    co_return tool;
  }
  try {
    const auto version = co_await ask(tool.path, "--version", dir);
    tool.version = version_in(version.text);
    if (tool.version.empty()) {
      tool.problem = fmt::format("{} is no CRIU that starts here ({})", tool.path, kHowToGetIt);
    } else if (!is_new_enough(tool.version)) {
      tool.problem = fmt::format("CRIU {} at {} is too old: 4.1 or newer is needed ({})",
                                 tool.version, tool.path, kHowToGetIt);
    } else if (tool.problem = why_not_here(); tool.problem.empty()) {
      tool.network_fault = network_fault(tool.version, passcred_is_untold());
      const auto check = co_await ask(tool.path, "check", dir);
      if (check.exit_code != 0) {
        const auto why = errors_in_log(check.text);
        tool.problem = fmt::format("CRIU {} says that this kernel does not do: {}", tool.version,
                                   why.empty() ? "`criu check` failed" : why);
      }
    }
  } catch (const Error& error) {
    tool.problem = error.failure();
  }
  co_return tool;
}

}  // namespace

std::vector<std::string> tools_to_try(const Config& config) {
  if (!config.criu.empty()) {
    return config.criu == "none" ? std::vector<std::string>()
                                 : std::vector<std::string>{config.criu.string()};
  }
  std::vector<std::string> found;
  std::set<std::filesystem::path> known;
  const auto add = [&](const std::string& path) {
    std::error_code unknown;
    const auto real = std::filesystem::weakly_canonical(path, unknown);
    if (known.insert(real).second) found.push_back(path);
  };
  if (const char* named = std::getenv("CARDSWAP_CRIU")) add(named);
  std::string cache;
  if (const char* given = std::getenv("CARDSWAP_CACHE")) cache = given;
  if (const char* home = std::getenv("HOME"); cache.empty() && home != nullptr) {
    cache = std::string(home) + "/.cache/cardswap";
  }
  if (!cache.empty() && is_program(cache + "/bin/criu")) add(cache + "/bin/criu");
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/sbin:/usr/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (is_program(folder + "/criu")) add(folder + "/criu");
  }
  return found;
}

asio::awaitable<CriuProgram> probe_tool(Config config) {
  std::optional<CriuProgram> best;
  for (const auto& path : tools_to_try(config)) {
    auto tool = co_await probe_one(path, config.data_dir);
    if (tool.is_usable() && tool.network_fault.empty()) co_return tool;
    if (!best || (tool.is_usable() && !best->is_usable())) best = std::move(tool);
  }
  if (best) co_return std::move(*best);
  co_return CriuProgram{"", "", fmt::format("there is no CRIU here ({})", kHowToGetIt)};
}

}  // namespace cardswap::criu
