#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/gang/rendezvous/store_words.h"

namespace cardswap::gang {

/// The keys and values of a store, bounded as a whole. What would go past a bound throws
/// Error{refused} and changes nothing. A value; no I/O.
class StoreValues {
 public:
  void set(const std::string& key, std::string value);
  /// Returns what is there afterwards; `expected` where there is nothing and that is not empty.
  std::string compare_set(const std::string& key, const std::string& expected, std::string value);
  /// The value of a key; empty: there is none.
  [[nodiscard]] std::string get(const std::string& key) const;
  /// Adds to a number in decimal; one that is not there, or is no number, is 0.
  std::int64_t add(const std::string& key, std::int64_t amount);
  std::int64_t remove(const std::string& key);
  void append(const std::string& key, const std::string& value);
  [[nodiscard]] bool has(const std::string& key) const { return values_.contains(key); }
  [[nodiscard]] bool has_all(const std::vector<std::string>& keys) const;
  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  std::map<std::string, std::string> values_;
  std::size_t bytes_ = 0;
};

}  // namespace cardswap::gang
