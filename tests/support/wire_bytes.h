#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace cardswap::test {

/// Reads the bytes of every message of one format, a line of hexadecimal each, as a release wrote
/// them: other processes and hosts still send them. A changed line means a changed format, which
/// needs another version of it.
inline std::vector<std::string> wire_bytes(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

inline std::string hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const auto byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    text += kDigits[std::to_integer<unsigned>(byte) & 15U];
  }
  return text;
}

/// Expects that `encode` of each message gives the line of the same number in the file `path`.
template <class Message, class Encode>
void expect_wire_bytes(const std::vector<Message>& messages, const std::string& path,
                       Encode encode) {
  const auto lines = wire_bytes(path);
  EXPECT_EQ(lines.size(), messages.size()) << path;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(hex(encode(messages[i])), i < lines.size() ? lines[i] : "")
        << path << " line " << i + 1;
  }
}

}  // namespace cardswap::test
