#include "migrator/tensors/safetensors_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/tensors/partial_file.h"
#include "migrator/tensors/tensor_reader.h"

namespace cardswap::tensors {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 1U << 20;

/// A line of sha256sum; a name that would break it is escaped as sha256sum does.
std::string sum_line(const store::ObjectId& sha256, const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\r') {
      escaped += "\\r";
    } else {
      escaped += c;
    }
  }
  return fmt::format("{}{}  {}\n", escaped == name ? "" : "\\", to_string(sha256), escaped);
}

void write_tensors(const store::SnapshotReader& reader, const SafetensorsPlan& plan,
                   PartialFile& out, store::IdHasher& hasher) {
  std::vector<std::byte> piece;
  for (const auto& one : plan.tensors) {
    try {
      TensorReader tensor(reader, one.entry);
      for (std::uint64_t at = 0; at < tensor.bytes(); at += piece.size()) {
        piece.resize(std::min<std::uint64_t>(kPieceBytes, tensor.bytes() - at));
        tensor.read(at, piece);
        hasher.add(piece);
        out.write(piece);
      }
    } catch (const Error& error) {
      throw error.within("tensor " + one.entry.name);
    }
  }
}

}  // namespace

WrittenFile write_safetensors(const store::SnapshotReader& reader, const SafetensorsPlan& plan,
                              const fs::path& file, bool may_replace) {
  const auto sum_path = with_suffix(file, ".sha256");
  if (!may_replace) {
    refuse_existing(file);
    refuse_existing(sum_path);
  }
  PartialFile out(file);
  store::IdHasher hasher;
  const auto header = std::as_bytes(std::span(plan.header));
  hasher.add(header);
  out.write(header);
  write_tensors(reader, plan, out, hasher);
  out.flush();
  const auto sha256 = hasher.finish();

  PartialFile sum(sum_path);
  const auto line = sum_line(sha256, file.filename().string());
  sum.write(std::as_bytes(std::span(line)));
  sum.flush();
  out.keep(may_replace);
  sum.keep(may_replace);
  flush_folder_of(file);
  return {plan.bytes, sha256};
}

}  // namespace cardswap::tensors
