#include "agent/health/kernel_line.h"

#include <algorithm>
#include <charconv>

#include "agent/health/finding.h"

namespace cardswap::health {
namespace {

constexpr unsigned kXidMax = 9999;

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

template <class Number>
std::optional<Number> take_number(std::string_view& text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// "4,1234,98765,-;message" of /dev/kmsg, "[  12.345678] message" of dmesg and of a console, or the
/// message alone. Nothing for a record that the kernel did not write.
std::optional<std::string_view> message_of(std::string_view line) {
  const auto semicolon = line.find(';');
  if (semicolon != std::string_view::npos && semicolon > 0 && line[0] >= '0' && line[0] <= '9') {
    auto head = line.substr(0, semicolon);
    const auto priority = take_number<unsigned>(head);
    if (!priority || !head.starts_with(',')) return std::nullopt;
    if (*priority >= 8) return std::nullopt;  // facility: a process wrote it
    return line.substr(semicolon + 1);
  }
  if (line.starts_with('[')) {
    const auto close = line.find(']');
    if (close == std::string_view::npos || close > 32) return std::nullopt;
    line.remove_prefix(close + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
  }
  return line;
}

/// "GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)".
std::optional<unsigned> recovery_in(std::string_view text) {
  const auto from = text.find("changed from");
  if (from == std::string_view::npos) return std::nullopt;
  const auto to = text.find(" to 0x", from);
  if (to == std::string_view::npos) return std::nullopt;
  auto number = text.substr(to + 6);
  return take_number<unsigned>(number, 16);
}

}  // namespace

std::optional<XidLine> xid_line(std::string_view line) {
  const auto message = message_of(line);
  if (!message) return std::nullopt;
  auto rest = *message;
  if (!take(rest, "NVRM: Xid (PCI:")) return std::nullopt;
  const auto close = rest.find(')');
  if (close == std::string_view::npos || close > 24) return std::nullopt;
  XidLine found;
  found.pci = pci_address(rest.substr(0, close));
  if (found.pci.empty()) return std::nullopt;
  rest.remove_prefix(close + 1);
  if (!take(rest, ": ")) return std::nullopt;
  const auto xid = take_number<unsigned>(rest);
  if (!xid || *xid == 0 || *xid > kXidMax) return std::nullopt;
  if (!rest.empty() && rest[0] != ',' && rest[0] != ' ' && rest[0] != '\n') return std::nullopt;
  found.xid = *xid;
  while (rest.starts_with(',') || rest.starts_with(' ')) rest.remove_prefix(1);
  rest = rest.substr(0, rest.find('\n'));  // further lines of a kmsg record are its dictionary
  if (auto words = rest; take(words, "pid=") || take(words, "pid='")) {
    const auto pid = take_number<int>(words);
    if (pid && *pid > 0) found.pid = pid;
  }
  if (found.xid == 154) found.recovery = recovery_in(rest);
  found.detail = shown(rest);
  return found;
}

}  // namespace cardswap::health
