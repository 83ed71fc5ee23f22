#include "agent/criu/host_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <optional>

#include "agent/base/validate.h"
#include "agent/criu/facts/build_id.h"
#include "agent/criu/image_room.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

namespace json = boost::json;

constexpr std::size_t kFilesMax = 8192;
constexpr std::size_t kGpusMax = 256;
constexpr std::size_t kSaidMax = 12;
constexpr std::size_t kBuildIdDigitsMax = 128;

std::vector<std::string> features_here() {
  std::ifstream file("/proc/cpuinfo");
  return cpu_features(std::string(std::istreambuf_iterator<char>(file), {}));
}

/// Why a file does not fit. Does not tell the sizes and build ids of this host's files.
std::string why_not(const NeededFile& file, FileHere here, const std::string& user) {
  const auto what = file.use == NeededFile::Use::mapped ? "program or library" : "open file";
  switch (here) {
    case FileHere::fits: return {};
    case FileHere::another_build:
      return fmt::format("{} is another build than the job's {}", file.path, what);
    case FileHere::differs: return fmt::format("{} differs from the job's {}", file.path, what);
    case FileHere::closed:
      return fmt::format("{} cannot be opened by {} as the job has it open", file.path,
                         user.empty() ? "the job's user" : user);
    case FileHere::link:
      return fmt::format("{} is a link, and no {} as the job has it", file.path,
                         file.use == NeededFile::Use::folder ? "folder" : "file");
    case FileHere::missing: break;
  }
  return file.use == NeededFile::Use::folder
             ? fmt::format("there is no folder {}", file.path)
             : fmt::format("there is no {}, the job's {}", file.path, what);
}

std::optional<NeededFile::Use> use_from(std::string_view text) {
  using enum NeededFile::Use;
  for (const auto use : {mapped, read, written, folder}) {
    if (text == to_string(use)) return use;
  }
  return std::nullopt;
}

/// The field "image_bytes"; 0 where an older release does not send it.
std::uint64_t image_bytes_in(const json::object& body) {
  const auto* value = body.if_contains("image_bytes");
  if (value == nullptr) return 0;
  boost::system::error_code no_number;
  const auto bytes = value->to_number<std::uint64_t>(no_number);
  if (no_number) throw Error(Code::bad_request, "'process.image_bytes' must be a number");
  return bytes;
}

}  // namespace

HostNeeds needs_of(const TreeFacts& tree) {
  HostNeeds needs;
  needs.cpu_features = features_here();
  needs.files = files_needed(tree);
  for (auto& file : needs.files) {
    if (file.use != NeededFile::Use::mapped) continue;
    std::error_code gone;
    file.bytes = std::filesystem::file_size(file.path, gone);
    if (gone) file.bytes = 0;
    file.build_id = build_id_of(file.path);
  }
  return needs;
}

json::object to_json(const HostNeeds& needs) {
  json::array features;
  for (const auto& feature : needs.cpu_features) features.emplace_back(feature);
  json::array files;
  for (const auto& file : needs.files) {
    files.push_back(json::object{{"path", file.path},
                                 {"use", to_string(file.use)},
                                 {"bytes", file.bytes},
                                 {"build_id", file.build_id}});
  }
  json::array gpus;
  for (const auto& gpu : needs.gpus) {
    gpus.push_back(json::object{{"uuid", gpu.uuid}, {"model", gpu.model}});
  }
  return {{"cpu_features", features},
          {"files", files},
          {"gpus", gpus},
          {"image_bytes", needs.image_bytes}};
}

HostNeeds needs_from_json(const json::object& body) {
  HostNeeds needs;
  const auto list = [&](std::string_view key) -> const json::array& {
    const auto* value = body.if_contains(key);
    if (value == nullptr || !value->is_array() || value->get_array().size() > kFilesMax) {
      throw Error(Code::bad_request, fmt::format("'process.{}' must be a list", key));
    }
    return value->get_array();
  };
  const auto text = [](const json::value& value) {
    if (!value.is_string()) throw Error(Code::bad_request, "'process' holds what is no text");
    return std::string(value.get_string());
  };
  const auto line = [&](const json::value& value) {
    return validate::line("process", text(value));
  };
  for (const auto& feature : list("cpu_features")) needs.cpu_features.push_back(line(feature));
  for (const auto& item : list("files")) {
    if (!item.is_object()) throw Error(Code::bad_request, "'process.files' holds no objects");
    const auto& from = item.get_object();
    const auto field = [&](std::string_view key) -> const json::value& {
      const auto* value = from.if_contains(key);
      if (value == nullptr) {
        throw Error(Code::bad_request, fmt::format("a file of the process has no '{}'", key));
      }
      return *value;
    };
    NeededFile file;
    file.path = text(field("path"));
    file.build_id = text(field("build_id"));
    if (!file.path.starts_with('/') || !validate::is_path(file.path) ||
        !validate::is_line(file.build_id, kBuildIdDigitsMax)) {
      throw Error(Code::bad_request, "a file of the process has no absolute path");
    }
    boost::system::error_code no_number;
    file.bytes = field("bytes").to_number<std::uint64_t>(no_number);
    const auto use = use_from(text(field("use")));
    if (!use || no_number)
      throw Error(Code::bad_request, "a file of the process is not understood");
    file.use = *use;
    needs.files.push_back(std::move(file));
  }
  needs.image_bytes = image_bytes_in(body);
  if (!body.contains("gpus")) return needs;
  for (const auto& item : list("gpus")) {
    const auto* gpu = item.if_object();
    const auto* uuid = gpu == nullptr ? nullptr : gpu->if_contains("uuid");
    const auto* model = gpu == nullptr ? nullptr : gpu->if_contains("model");
    if (uuid == nullptr || model == nullptr || needs.gpus.size() == kGpusMax) {
      throw Error(Code::bad_request, "'process.gpus' is not understood");
    }
    needs.gpus.push_back({line(*uuid), line(*model)});
  }
  return needs;
}

std::vector<std::string> what_is_missing(const HostNeeds& needs, std::span<const FileHere> here_are,
                                         const std::string& host, const std::string& user) {
  std::vector<std::string> reasons;
  const auto features = features_here();
  std::vector<std::string> lacking;
  for (const auto& feature : needs.cpu_features) {
    if (!std::ranges::binary_search(features, feature)) lacking.push_back(feature);
  }
  if (!lacking.empty()) {
    reasons.push_back(fmt::format("the processor of {} lacks {}, which the job may use", host,
                                  fmt::join(lacking, ", ")));
  }
  auto no_room = why_no_room(needs.image_bytes, image_room(ImageUse::restored), "on " + host);
  if (!no_room.empty()) reasons.push_back(std::move(no_room));
  std::size_t unsaid = 0;
  for (std::size_t i = 0; i < needs.files.size(); ++i) {
    const auto here = i < here_are.size() ? here_are[i] : FileHere::missing;
    const auto why = why_not(needs.files[i], here, user);
    if (why.empty()) continue;
    if (reasons.size() < kSaidMax) {
      reasons.push_back(fmt::format("on {}: {}", host, why));
    } else {
      ++unsaid;
    }
  }
  if (unsaid > 0) reasons.push_back(fmt::format("and {} more files on {}", unsaid, host));
  return reasons;
}

}  // namespace cardswap::criu
