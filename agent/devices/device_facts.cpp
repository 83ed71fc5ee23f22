#include "agent/devices/device_facts.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <span>

#include "agent/base/text_parts.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

std::string content_of(const char* path) {
  std::ifstream file(path);
  return {(std::istreambuf_iterator<char>(file)), {}};
}

}  // namespace

std::string processor_model(std::string_view cpuinfo) {
  // "model name" on x86, "Processor" or "Model" on others.
  for (const std::string_view key : {"model name", "Processor", "Model"}) {
    for (auto rest = cpuinfo; !rest.empty();) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const auto colon = line.find(':');
      if (colon == std::string_view::npos || trimmed(line.substr(0, colon)) != key) continue;
      return as_utf8(std::string(trimmed(line.substr(colon + 1))));
    }
  }
  return {};
}

std::string device_uuid(std::string_view machine_id, std::string_view device) {
  machine_id = trimmed(machine_id);
  if (machine_id.empty()) return {};
  const auto text = fmt::format("cardswap device {} of {}", device, machine_id);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  const auto hex = [&](std::size_t from, std::size_t bytes) {
    return fmt::format("{:02x}", fmt::join(std::span(hash).subspan(from, bytes), ""));
  };
  return fmt::format("CPU-{}-{}-{}-{}-{}", hex(0, 4), hex(4, 2), hex(6, 2), hex(8, 2), hex(10, 6));
}

std::string processor_model() { return processor_model(content_of("/proc/cpuinfo")); }

std::string device_uuid(std::string_view device) {
  return device_uuid(content_of("/etc/machine-id"), device);
}

}  // namespace cardswap
