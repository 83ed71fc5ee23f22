#include "agent/gang/rank_program.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/base/validate.h"
#include "agent/process/process.h"
#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

/// The NUL-terminated texts of a file of /proc.
std::vector<std::string> texts_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> texts;
  for (std::string text; std::getline(file, text, '\0');) texts.push_back(text);
  return texts;
}

/// What names this host's agent or the process's place here.
bool is_of_this_host(std::string_view name) {
  return name.starts_with("CARDSWAP_") || name == "MASTER_ADDR" || name == "MASTER_PORT" ||
         name.starts_with("TORCHELASTIC_") || name == "PWD" || name == "OLDPWD" || name == "_";
}

}  // namespace

JobSpec program_of_rank(const Instance& instance, std::uint32_t rank) {
  const auto& process = instance.ranks.at(rank).process;
  auto spec = instance.job().spec;
  if (process.pid != instance.program().pid) {
    const auto folder = fmt::format("/proc/{}", process.pid);
    const auto argv = texts_of(folder + "/cmdline");
    const auto env = texts_of(folder + "/environ");
    std::error_code gone;
    const auto cwd = std::filesystem::read_symlink(folder + "/cwd", gone);
    if (gone || argv.empty() || env.empty() || !may_be_alive(process)) {
      throw Error(
          Code::conflict,
          fmt::format("rank {} of job {}: the command line of its process {} cannot be read", rank,
                      instance.name(), process.pid),
          "does the agent run as root, or as the job's user?");
    }
    spec.argv = argv;
    spec.cwd = cwd.string();
    spec.env.clear();
    for (const auto& variable : env) {
      const auto equals = variable.find('=');
      if (equals == std::string::npos) continue;
      auto name = variable.substr(0, equals);
      if (validate::is_variable(name)) spec.env[name] = variable.substr(equals + 1);
    }
  }
  std::erase_if(spec.env, [](const auto& variable) { return is_of_this_host(variable.first); });
  // Nobody listens there: the runtime gives the groups of a newcomer stand-ins for its peers.
  spec.env["MASTER_ADDR"] = "127.0.0.1";
  spec.env["MASTER_PORT"] = "1";
  spec.env["RANK"] = std::to_string(rank);
  spec.env["WORLD_SIZE"] = std::to_string(instance.job().world_size);
  // Programs choose their device by its place on its host, where it is the launcher's only one.
  for (const auto& [name, alone] : {std::pair("LOCAL_RANK", "0"), {"LOCAL_WORLD_SIZE", "1"}}) {
    if (const auto found = spec.env.find(name); found != spec.env.end()) found->second = alone;
  }
  spec.restart = RestartRule::never;
  spec.protection.reset();
  return spec;
}

}  // namespace cardswap::gang
