#include "runtime/snapshot/program_entry.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "migrator/base/utf8.h"

extern char** environ;  // NOLINT: POSIX's name

namespace cardswap {
namespace {

constexpr std::array<std::string_view, 12> kNames{
    "HOME", "LANG",           "LD_LIBRARY_PATH", "LOGNAME", "MALLOC_ARENA_MAX",
    "PATH", "PYTHONHASHSEED", "PYTHONPATH",      "SHELL",   "TZ",
    "USER", "VIRTUAL_ENV"};
constexpr std::array<std::string_view, 11> kFamilies{"ATEN_",  "CONDA_", "CUBLAS_", "CUDA_",
                                                     "CUDNN_", "KMP_",   "LC_",     "MKL_",
                                                     "NCCL_",  "OMP_",   "TORCH_"};
constexpr std::array<std::string_view, 5> kSecrets{"KEY", "PASS", "SECRET", "TOKEN", "CREDENTIAL"};

}  // namespace

bool is_kept_variable(std::string_view name) {
  const auto has = [&](std::string_view word) { return name.find(word) != std::string_view::npos; };
  if (std::ranges::any_of(kSecrets, has)) return false;
  return std::ranges::find(kNames, name) != kNames.end() ||
         std::ranges::any_of(kFamilies, [&](auto family) { return name.starts_with(family); });
}

store::ProgramEntry program_entry(std::vector<std::string> argv) {
  store::ProgramEntry entry;
  entry.argv = std::move(argv);
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string_view text(*item);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || !is_utf8(text)) continue;
    const auto name = text.substr(0, equals);
    if (is_kept_variable(name)) entry.environment.emplace(name, text.substr(equals + 1));
  }
  std::error_code unknown;
  entry.environment["PWD"] = std::filesystem::current_path(unknown).string();
  return entry;
}

}  // namespace cardswap
