#include "migrator/tensors/attached_files.h"

#include <cstdint>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/core/wire_reader.h"

namespace cardswap::tensors {
namespace {

constexpr std::size_t kEntryBytesMin = 2 * sizeof(std::uint32_t);

}  // namespace

std::vector<AttachedFile> attached_files(const store::SnapshotReader& reader) {
  Compressor compressor;
  const auto block = reader.values(compressor);
  std::vector<AttachedFile> files;
  if (block.empty()) return files;
  try {
    wire::WireReader values(block);
    for (auto left = values.count(kEntryBytesMin); left > 0; --left) {
      const auto thing = values.string();
      const auto bytes = values.blob(block.size());
      if (!thing.starts_with(kAttached)) continue;
      auto name = thing.substr(kAttached.size());
      if (!is_attachable_name(name)) {
        throw Error(Code::corrupt, "an attached file has a name that no program can give it");
      }
      files.push_back({std::move(name), {bytes.begin(), bytes.end()}});
    }
  } catch (const Error& error) {
    throw Error(Code::corrupt, "the snapshot's values cannot be read: " + error.failure());
  }
  return files;
}

}  // namespace cardswap::tensors
