#include "agent/health/sources/driver_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/base/printable.h"
#include "agent/health/decisions/xid_table.h"
#include "agent/health/sources/kernel_record.h"
#include "agent/health/sources/text_cursor.h"

namespace cardswap::health {
namespace {

constexpr std::size_t kBracketMax = 64;
constexpr int kLinesOfAMessage = 3;  ///< after its first

/// "GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)".
std::optional<unsigned> recovery_in(std::string_view text) {
  const auto from = text.find("changed from");
  if (from == std::string_view::npos) return std::nullopt;
  const auto to = text.find(" to 0x", from);
  if (to == std::string_view::npos) return std::nullopt;
  auto number = text.substr(to + 6);
  return take_number<unsigned>(number, 16);
}

/// "Xid (PCI:0000:3b:00 GPU-I:05): 94, pid=7194, ..."; older drivers leave "PCI:" out.
std::optional<XidLine> xid_in(std::string_view rest) {
  if (!take(rest, "Xid")) return std::nullopt;
  skip(rest, " ");
  if (!take(rest, "(")) return std::nullopt;
  const auto close = rest.find(')');
  if (close == std::string_view::npos || close > kBracketMax) return std::nullopt;
  auto inside = rest.substr(0, close);
  rest.remove_prefix(close + 1);
  take(inside, "PCI:");
  skip(inside, " ");
  XidLine found;
  const auto end = std::min(inside.find_first_of(" ,;"), inside.size());
  found.pci = pci_address(inside.substr(0, end));
  if (found.pci.empty()) return std::nullopt;
  inside.remove_prefix(end);
  skip(inside, " ,;");
  found.instance = excerpt(inside);
  if (!take(rest, ":")) return std::nullopt;
  skip(rest, " ");
  const auto xid = take_number<unsigned>(rest);
  if (!xid || *xid == 0 || *xid > kXidMax) return std::nullopt;
  if (!rest.empty() && rest[0] != ',' && rest[0] != ' ' && rest[0] != '\n') return std::nullopt;
  found.xid = *xid;
  skip(rest, ", ");
  rest = rest.substr(0, rest.find('\n'));
  if (auto words = rest; take(words, "pid=") || take(words, "pid='")) {
    const auto pid = take_number<int>(words);
    if (pid && *pid > 0) found.pid = pid;
  }
  if (found.xid == 154) found.recovery = recovery_in(rest);
  found.detail =
      excerpt(found.instance.empty() ? std::string(rest)
                                     : fmt::format("MIG instance {}: {}", found.instance, rest));
  return found;
}

struct Words {
  std::string_view words;   ///< in any case
  std::string_view device;  ///< what it is where the line names a device
  std::string_view host;    ///< and where it names none
};
/// Each is a fault even when no XID is logged with it.
constexpr std::array<Words, 11> kFaults{{
    {"fallen off the bus", "xid:79", "driver:gpu_lost"},
    {"GPU is lost", "xid:79", "driver:gpu_lost"},
    {"NV_ERR_GPU_IS_LOST", "xid:79", "driver:gpu_lost"},
    {"RmInitAdapter failed", "xid:143", "driver:init_failed"},
    {"rm_init_adapter failed", "xid:143", "driver:init_failed"},
    {"Failed to initialize", "xid:143", "driver:init_failed"},
    {"Reset required", "reset_required", "driver:reset_required"},
    {"NV_ERR_RESET_REQUIRED", "reset_required", "driver:reset_required"},
    {"probe routine failed", "xid:143", "driver:init_failed"},
    {"None of the NVIDIA", "driver:init_failed", "driver:init_failed"},
    {"requires a reset", "reset_required", "driver:reset_required"},
}};
/// Messages of every start of the driver and of its tools' ordinary work.
constexpr std::array kWell{
    "loading NVIDIA", "unloading", "GPU at PCI",   "GPU Board Serial",    "Persistence",
    "license",        "Loading",   "GSP firmware", "nvidia-persistenced", "request_mem_region",
    "Enabling",       "nvlink"};

}  // namespace

std::optional<XidLine> xid_line(std::string_view line) {
  const auto record = record_of(line, LogForm::file, 0);
  if (record.kind != KernelRecord::Kind::message) return std::nullopt;
  std::string_view message = record.text;
  if (!take(message, "NVRM:")) return std::nullopt;
  skip(message, " ");
  return xid_in(message);
}

DriverMessageParser::Verdict DriverMessageParser::parse_line(std::string_view words,
                                                             std::vector<DriverFault>& faults) {
  skip(words);
  if (words.starts_with("Xid")) {
    lines_left_ = 0;
    const auto xid = xid_in(words);
    if (!xid) return Verdict::unreadable_xid;
    faults.push_back(
        {fmt::format("xid:{}", xid->xid), xid->pci, xid->detail, xid->pid, xid->recovery});
    return Verdict::fault;
  }
  // "GPU 0000:3b:00.0: ...", "The NVIDIA GPU 0000:3b:00.0 (PCI ID: ...", "GPU at PCI:0000:3b:00:
  // ..."
  auto rest = words;
  const bool begins = take(rest, "The NVIDIA GPU ");
  std::string pci;
  if (begins || take(rest, "GPU at PCI:") || take(rest, "GPU ")) {
    const auto end = std::min(rest.find_first_of(" ,\t"), rest.size());
    auto address = rest.substr(0, end);
    if (address.ends_with(':')) address.remove_suffix(1);
    pci = pci_address(address);
  }
  const bool goes_on = pci.empty() && lines_left_ > 0;
  const auto& device = goes_on ? pci_ : pci;
  for (const auto& fault : kFaults) {
    if (!mentions(words, fault.words)) continue;
    const auto code = device.empty() ? fault.host : fault.device;
    const bool of_device = !code.starts_with("driver:");
    faults.push_back(
        {std::string(code), of_device ? device : std::string(), excerpt(words), {}, {}});
    lines_left_ = 0;
    return Verdict::fault;
  }
  if (begins && !pci.empty()) {
    pci_ = pci;
    lines_left_ = kLinesOfAMessage;
    return Verdict::well;
  }
  if (goes_on) {
    --lines_left_;
    return Verdict::well;
  }
  lines_left_ = 0;
  const bool well = std::any_of(kWell.begin(), kWell.end(),
                                [&](const char* known) { return words.starts_with(known); });
  return well ? Verdict::well : Verdict::unknown_words;
}

DriverMessageParser::Verdict DriverMessageParser::parse(std::string_view message,
                                                        std::vector<DriverFault>& faults) {
  // The end of a line inside a message: unchanged, as /dev/kmsg and as rsyslog write it.
  constexpr std::array<std::string_view, 3> kEnds{"\n", "\\x0a", "#012"};
  auto verdict = Verdict::well;
  while (!message.empty()) {
    auto end = message.size();
    std::size_t size = 0;
    for (const auto mark : kEnds) {
      if (const auto at = message.find(mark); at < end) {
        end = at;
        size = mark.size();
      }
    }
    auto line = message.substr(0, end);
    message.remove_prefix(std::min(message.size(), end + size));
    skip(line);
    const bool drivers = take(line, "NVRM:");
    if (line.empty() || (!drivers && lines_left_ == 0)) continue;
    const auto one = parse_line(line, faults);
    if (one == Verdict::fault || verdict == Verdict::well) verdict = one;
  }
  return verdict;
}

}  // namespace cardswap::health
