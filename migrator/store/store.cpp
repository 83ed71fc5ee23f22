#include "migrator/store/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/base/error.h"

namespace cardswap::store {
namespace {

constexpr std::size_t kNameMax = 255;
constexpr std::size_t kPartMax = 128;
constexpr std::size_t kNamesAtOnce = 1000;

bool is_part(std::string_view part) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !part.empty() && part.size() <= kPartMax && part.front() != '.' && part.front() != '-' &&
         std::ranges::all_of(part, is_allowed);
}

}  // namespace

void Store::read_soon(const std::string&, std::uint64_t, std::uint64_t) noexcept {}

std::vector<std::string> Store::folders(const std::string& prefix) {
  std::vector<std::string> found;
  std::string after;
  while (true) {
    const auto next = list(prefix, after, 1);
    if (next.empty()) return found;
    const auto slash = next.front().find('/', prefix.size());
    if (slash == std::string::npos) {  // an object of that folder itself
      after = next.front();
      continue;
    }
    found.push_back(next.front().substr(prefix.size(), slash - prefix.size()));
    after = prefix + found.back() + "/~";  // behind every name below it
  }
}

PutResult Store::put_new_from(const std::string& name, Pieces pieces) {
  std::vector<std::byte> bytes;
  for (const auto& piece : pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return put_new(name, bytes);
}

bool is_store_failure(Code code) { return code == Code::io || code == Code::unreachable; }

bool is_object_name(std::string_view name) {
  if (name.size() > kNameMax) return false;
  while (true) {
    const auto slash = name.find('/');
    if (!is_part(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

std::vector<std::byte> get(Store& store, const std::string& name, std::uint64_t most) {
  std::vector<std::byte> bytes;
  get_into(store, name, most, bytes);
  return bytes;
}

void get_into(Store& store, const std::string& name, std::uint64_t most,
              std::vector<std::byte>& bytes) {
  const auto size = store.size_of(name);
  if (!size) throw Error(Code::not_found, fmt::format("{}: there is no such object", name));
  if (*size > most) {
    throw Error(Code::corrupt, fmt::format("{}: {} bytes are more than it may have", name, *size));
  }
  bytes.resize(*size);
  if (store.read(name, 0, bytes) != bytes.size()) {
    throw Error(Code::corrupt, fmt::format("{}: it ends before its {} bytes", name, *size));
  }
}

std::vector<std::string> list_all(Store& store, const std::string& prefix) {
  std::vector<std::string> all;
  while (true) {
    auto some = store.list(prefix, all.empty() ? "" : all.back(), kNamesAtOnce);
    const bool last = some.size() < kNamesAtOnce;
    all.insert(all.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
    if (last) return all;
  }
}

}  // namespace cardswap::store
