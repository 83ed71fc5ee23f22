#include "agent/gang/rendezvous/store_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/text_parts.h"
#include "migrator/base/error.h"

namespace cardswap::gang {

void StoreValues::set(const std::string& key, std::string value) {
  const auto found = values_.find(key);
  const auto before = found == values_.end() ? 0 : key.size() + found->second.size();
  const auto after = bytes_ - before + key.size() + value.size();
  const bool is_one_more = found == values_.end() && values_.size() >= kStoreKeysMax;
  if (after > kStoreBytesMax || is_one_more) {
    throw Error(
        Code::refused,
        fmt::format("the rendezvous' store holds {} keys and {} bytes: no more", size(), bytes_));
  }
  bytes_ = after;
  values_[key] = std::move(value);
}

std::string StoreValues::compare_set(const std::string& key, const std::string& expected,
                                     std::string value) {
  const auto found = values_.find(key);
  if (found == values_.end() && !expected.empty()) return expected;
  if (found != values_.end() && found->second != expected) return found->second;
  set(key, value);
  return value;
}

std::string StoreValues::get(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::string() : found->second;
}

std::int64_t StoreValues::add(const std::string& key, std::int64_t amount) {
  const auto before = number_in<std::int64_t>(get(key)).value_or(0);
  std::int64_t sum = 0;
  if (__builtin_add_overflow(before, amount, &sum)) {
    throw Error(Code::refused, "a number of the rendezvous' store is out of its range");
  }
  set(key, std::to_string(sum));
  return sum;
}

std::int64_t StoreValues::remove(const std::string& key) {
  const auto found = values_.find(key);
  if (found == values_.end()) return 0;
  bytes_ -= found->first.size() + found->second.size();
  values_.erase(found);
  return 1;
}

void StoreValues::append(const std::string& key, const std::string& value) {
  set(key, get(key) + value);
}

bool StoreValues::has_all(const std::vector<std::string>& keys) const {
  return std::ranges::all_of(keys, [this](const std::string& key) { return has(key); });
}

}  // namespace cardswap::gang
