#include "agent/health/decisions/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/text_parts.h"

namespace cardswap::health {
namespace {

/// NVML's codes of faults for which the driver has an XID.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kSameFault{{
    {"gpu_lost", "xid:79"},
    {"row_remap:failed", "xid:64"},
    {"row_remap:pending", "xid:63"},
    {"retired_pages:pending", "xid:63"},
    {"ecc:double_bit", "xid:48"},
    {"ecc:single_bit_storm", "xid:92"},
    {"poison:contained", "xid:94"},
    {"poison:fatal", "xid:95"},
}};

std::optional<unsigned> hex(std::string_view digits, std::size_t most) {
  return digits.size() > most ? std::nullopt : number_in<unsigned>(digits, 16);
}

bool same_letter(char a, char b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return lower(a) == lower(b);
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_letter);
}

}  // namespace

const char* to_string(FaultSource source) {
  switch (source) {
    case FaultSource::nvml: return "nvml";
    case FaultSource::kernel_log: return "kernel_log";
    case FaultSource::alert: return "alert";
    case FaultSource::probe: return "probe";
  }
  return "";
}

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::none: return "none";
    case Severity::warning: return "warning";
    case Severity::critical: return "critical";
  }
  return "";
}

bool mentions(std::string_view text, std::string_view words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end(), same_letter) !=
         text.end();
}

std::string canonical(std::string_view code) {
  for (const auto& [other, known] : kSameFault) {
    if (code == other) return std::string(known);
  }
  return std::string(code);
}

std::string pci_address(std::string_view text) {
  if (const auto dot = text.find('.'); dot != std::string_view::npos) text = text.substr(0, dot);
  const auto last = text.rfind(':');
  if (last == std::string_view::npos) return {};
  const auto slot = hex(text.substr(last + 1), 2);
  text = text.substr(0, last);
  std::optional<unsigned> domain = 0;
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    domain = hex(text.substr(0, colon), 8);
    text = text.substr(colon + 1);
  }
  const auto bus = hex(text, 2);
  if (!domain || !bus || !slot) return {};
  return fmt::format("{:04x}:{:02x}:{:02x}", *domain, *bus, *slot);
}

std::optional<std::string> device_called(const std::vector<DeviceName>& devices,
                                         std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto pci = pci_address(text);
  for (const auto& device : devices) {
    if (device.name == text) return device.name;
    if (!device.uuid.empty() && same_ignoring_case(device.uuid, text)) return device.name;
    if (!pci.empty() && device.pci == pci) return device.name;
  }
  return std::nullopt;
}

bool matches(std::string_view pattern, std::string_view text) {
  // Goes back to the last '*' only: linear in practice, never exponential.
  std::size_t p = 0;
  std::size_t t = 0;
  auto star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace cardswap::health
