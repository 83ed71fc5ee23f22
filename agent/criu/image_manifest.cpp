#include "agent/criu/image_manifest.h"

#include <algorithm>
#include <limits>
#include <set>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

namespace cardswap::criu {
namespace {

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kLogsMax = 8;
constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kSavedMax = 4096;
constexpr std::uint64_t kTotalBytesMax = std::uint64_t{1} << 50U;

bool is_image_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return name.size() <= kNameBytesMax && name.ends_with(".img") && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

bool is_socket(std::string_view text) {
  if (!text.starts_with("socket:[") || !text.ends_with("]") || text.size() > 32) return false;
  text = text.substr(8, text.size() - 9);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::uint64_t ImageManifest::total_bytes() const {
  std::uint64_t total = 0;
  for (const auto& file : files) total += file.bytes;
  return total;
}

std::vector<std::byte> encode(const ImageManifest& manifest) {
  wire::WireWriter w;
  w.string(manifest.socket).u32(static_cast<std::uint32_t>(manifest.logs.size()));
  for (const auto& log : manifest.logs) w.string(log);
  w.u32(static_cast<std::uint32_t>(manifest.files.size()));
  for (const auto& file : manifest.files) w.string(file.name).u64(file.bytes);
  w.u32(static_cast<std::uint32_t>(manifest.saved_by_driver.size()));
  for (const auto pid : manifest.saved_by_driver) w.u32(pid);
  return std::move(w).take();
}

ImageManifest decode_manifest(std::span<const std::byte> bytes) {
  wire::WireReader r(bytes);
  ImageManifest manifest;
  manifest.socket = r.string(64);
  if (!is_socket(manifest.socket)) {
    throw Error(Code::bad_request, "a process image without a connection to its agent");
  }
  const auto logs = r.count(sizeof(std::uint32_t));
  if (logs > kLogsMax) throw Error(Code::bad_request, "a process image with too many logs");
  for (std::uint32_t i = 0; i < logs; ++i) {
    auto path = r.string(kPathBytesMax);
    if (!path.starts_with('/') || path.find('\0') != std::string::npos ||
        path.find_first_not_of('/') == std::string::npos) {
      throw Error(Code::bad_request, "a log of a process image has no absolute path");
    }
    manifest.logs.push_back(std::move(path));
  }
  const auto files = r.count(sizeof(std::uint32_t) + sizeof(std::uint64_t));
  std::set<std::string> names;
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < files; ++i) {
    ImageFile file{r.string(kNameBytesMax), 0};
    file.bytes = r.u64();
    if (!is_image_name(file.name) || !names.insert(file.name).second) {
      throw Error(Code::bad_request, "a file of a process image has no allowed name");
    }
    if (file.bytes > kTotalBytesMax - total) {
      throw Error(Code::bad_request, "a process image is larger than allowed");
    }
    total += file.bytes;
    manifest.files.push_back(std::move(file));
  }
  const auto saved = r.count(sizeof(std::uint32_t));
  if (saved > kSavedMax) throw Error(Code::bad_request, "a process image of too many processes");
  for (std::uint32_t i = 0; i < saved; ++i) manifest.saved_by_driver.push_back(r.u32());
  r.finish();
  return manifest;
}

}  // namespace cardswap::criu
