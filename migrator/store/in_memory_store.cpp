#include "migrator/store/in_memory_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/base/error.h"

namespace cardswap::store {
namespace {

void check_ram_name(const std::string& name) {
  if (!is_object_name(name)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no object's name", name.substr(0, 80)));
  }
}

}  // namespace

PutResult InMemoryStore::put_new(const std::string& name, std::span<const std::byte> bytes) {
  check_ram_name(name);
  const MutexLock lock(mutex_);
  return objects_.try_emplace(name, bytes.begin(), bytes.end()).second ? PutResult::created
                                                                       : PutResult::exists;
}

std::size_t InMemoryStore::read(const std::string& name, std::uint64_t offset,
                                std::span<std::byte> into) {
  check_ram_name(name);
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) {
    throw Error(Code::not_found, fmt::format("{}: there is no such object", name));
  }
  const std::span<const std::byte> bytes(found->second);
  const auto from = bytes.subspan(std::min<std::uint64_t>(offset, bytes.size()));
  const auto size = std::min(from.size(), into.size());
  std::ranges::copy(from.first(size), into.begin());
  return size;
}

std::optional<std::uint64_t> InMemoryStore::size_of(const std::string& name) {
  check_ram_name(name);
  const MutexLock lock(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return std::nullopt;
  return found->second.size();
}

std::vector<std::string> InMemoryStore::list(const std::string& prefix, const std::string& after,
                                             std::size_t most) {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  auto at = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
  for (; at != objects_.end() && names.size() < most && at->first.starts_with(prefix); ++at) {
    names.push_back(at->first);
  }
  return names;
}

void InMemoryStore::remove(const std::string& name) {
  check_ram_name(name);
  const MutexLock lock(mutex_);
  objects_.erase(name);
}

StoreFacts InMemoryStore::facts() {
  return {.where = "ram:", .free_bytes = std::nullopt, .durable = false, .read_only = false};
}

}  // namespace cardswap::store
