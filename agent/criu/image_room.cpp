#include "agent/criu/image_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "agent/criu/facts/proc_files.h"
#include "agent/criu/facts/proc_text.h"
#include "agent/process/process_tree.h"

namespace cardswap::criu {
namespace {

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

/// The value of a line "Key:  4711 kB", in bytes.
std::optional<std::uint64_t> bytes_at(std::string_view text, std::string_view key) {
  const auto lines = parse_status(text);
  const auto found = lines.find(key);
  if (found == lines.end()) return std::nullopt;
  const std::string_view value = found->second;
  const auto kilobytes = number_in<std::uint64_t>(value.substr(0, value.find(' ')));
  if (!kilobytes || *kilobytes > (kUnknown >> 10U)) return std::nullopt;
  return *kilobytes << 10U;
}

}  // namespace

std::uint64_t image_room_in(std::string_view meminfo, ImageUse use) {
  const auto total = bytes_at(meminfo, "MemTotal");
  const auto available = bytes_at(meminfo, "MemAvailable");
  if (!total || !available) return kUnknown;
  const std::uint64_t copies = use == ImageUse::restored ? 2 : 1;
  return std::min(*total / 2, *available / copies);  // a tmpfs takes half of what there is
}

std::uint64_t image_room(ImageUse use) { return image_room_in(text_of("/proc/meminfo"), use); }

MemoryUse with_process(MemoryUse held, std::string_view status) {
  held.own += bytes_at(status, "RssAnon").value_or(0) + bytes_at(status, "VmSwap").value_or(0);
  held.shared = std::max(held.shared, bytes_at(status, "RssShmem").value_or(0));
  return held;
}

MemoryUse memory_of(const ProcessId& root) {
  MemoryUse held;
  for (const auto pid : tree_of(root)) {
    held = with_process(held, text_of(fmt::format("/proc/{}/status", pid)));
  }
  return held;
}

std::string why_no_room(std::uint64_t bytes, std::uint64_t room, std::string_view where) {
  if (bytes <= room) return {};
  return fmt::format("the process image takes about {} of memory, of which {} are free for it {}",
                     format_size(bytes), format_size(room), where);
}

}  // namespace cardswap::criu
