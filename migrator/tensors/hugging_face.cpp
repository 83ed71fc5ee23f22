#include "migrator/tensors/hugging_face.h"

#include <fmt/format.h>

#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/json.h"
#include "migrator/tensors/partial_file.h"
#include "migrator/tensors/safetensors_file.h"

namespace cardswap::tensors {
namespace {

namespace fs = std::filesystem;
using store::JsonObject;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kSum = ".sha256";

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directory(folder, failed);
  if (!fs::is_directory(folder)) {
    throw Error(Code::io, fmt::format("make the folder {}: {}", folder.string(),
                                      failed ? failed.message() : "it is no folder"));
  }
}

/// The files of one export. Removes them unless all of them came to be.
class FolderOfFiles {
 public:
  FolderOfFiles(fs::path folder, bool may_replace)
      : folder_(std::move(folder)), may_replace_(may_replace) {}
  ~FolderOfFiles() {
    std::error_code ignored;
    for (const auto& path : unfinished_) fs::remove(path, ignored);
  }
  FolderOfFiles(const FolderOfFiles&) = delete;
  FolderOfFiles& operator=(const FolderOfFiles&) = delete;

  void write_shard(const store::SnapshotReader& reader, const SafetensorsPlan& plan,
                   const std::string& name) {
    const auto written = write_safetensors(reader, plan, folder_ / name, may_replace_);
    unfinished_.push_back(with_suffix(folder_ / name, kSum));
    note(name, written.bytes);
  }
  void write(const std::string& name, std::span<const std::byte> bytes) {
    PartialFile file(folder_ / name);
    file.write(bytes);
    file.flush();
    file.keep(may_replace_);
    note(name, bytes.size());
  }
  WrittenModel finish() {
    flush_folder_of(folder_ / kIndex);
    unfinished_.clear();
    return std::move(written_);
  }

 private:
  void note(const std::string& name, std::uint64_t bytes) {
    unfinished_.push_back(folder_ / name);
    written_.files.push_back(name);
    written_.bytes += bytes;
  }

  const fs::path folder_;
  const bool may_replace_;
  WrittenModel written_;
  std::vector<fs::path> unfinished_;
};

bool is_of_an_export(const std::string& name) {
  return name.starts_with("model") && name.find(".safetensors") != std::string::npos;
}

/// Throws Error{refused} for an attached file that would replace one of the export's own, or that
/// could be taken for one that is not whole yet.
void check_names(const std::vector<AttachedFile>& attached) {
  for (const auto& one : attached) {
    if (!is_of_an_export(one.name) && !one.name.ends_with(kPartial)) continue;
    throw Error(Code::refused,
                fmt::format("the attached file {} has the name of one with tensors, or of one that "
                            "is not whole yet",
                            one.name),
                "attach it under another name");
  }
}

/// Throws Error{conflict} for files that would be read in place of the new ones, or beside them.
void refuse_others(const fs::path& folder, std::size_t shards) {
  std::set<std::string> ours{kIndex};
  for (std::size_t i = 0; i < shards; ++i) {
    ours.insert(shard_name(i, shards));
    ours.insert(shard_name(i, shards) + kSum);
  }
  for (const auto& one : fs::directory_iterator(folder)) {
    const auto name = one.path().filename().string();
    if (!is_of_an_export(name) || name.ends_with(kPartial) || ours.contains(name)) continue;
    throw Error(Code::conflict,
                fmt::format("{} has the file {} of another export", folder.string(), name),
                "name another folder, or remove that export");
  }
}

}  // namespace

std::string shard_name(std::size_t shard, std::size_t shards) {
  return shards == 1 ? "model.safetensors"
                     : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
}

std::string shard_index(const std::vector<SafetensorsPlan>& shards) {
  JsonObject files;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    for (const auto& one : shards[i].tensors) {
      files.push_back({one.entry.name, shard_name(i, shards.size())});
      bytes += size_in_bytes(one.entry);
    }
  }
  return text_of(JsonObject{{"metadata", JsonObject{{"total_size", bytes}}},
                            {"weight_map", std::move(files)}});
}

WrittenModel write_model(const store::SnapshotReader& reader,
                         const std::vector<SafetensorsPlan>& shards,
                         const std::vector<AttachedFile>& attached, const fs::path& folder,
                         bool may_replace) {
  check_names(attached);
  make_folder(folder);
  refuse_others(folder, shards.size());
  if (!may_replace) {
    refuse_existing(folder / kIndex);
    for (const auto& one : attached) refuse_existing(folder / one.name);
    for (std::size_t i = 0; i < shards.size(); ++i) {
      refuse_existing(folder / shard_name(i, shards.size()));
      refuse_existing(with_suffix(folder / shard_name(i, shards.size()), kSum));
    }
  }
  FolderOfFiles files(folder, may_replace);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    files.write_shard(reader, shards[i], shard_name(i, shards.size()));
  }
  for (const auto& one : attached) files.write(one.name, one.bytes);
  if (shards.size() > 1) {
    const auto index = shard_index(shards);
    files.write(kIndex, std::as_bytes(std::span(index)));
  }
  return files.finish();
}

}  // namespace cardswap::tensors
