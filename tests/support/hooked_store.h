#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/store/in_memory_store.h"

namespace cardswap::test {

/// A store in memory, and what a test has to happen to it: each function is called before the call
/// is done, and may throw in its place.
class HookedStore final : public store::Store {
 public:
  std::function<void(const std::string& name, std::span<const std::byte> bytes)> before_put;
  std::function<void(const std::string& name)> before_read;
  std::function<void(const std::string& name, std::uint64_t offset, std::uint64_t bytes)>
      read_ahead;
  std::function<void(const std::string& prefix)> before_list;
  store::InMemoryStore ram;  ///< without these functions

  store::PutResult put_new(const std::string& name, std::span<const std::byte> bytes) override {
    if (before_put) before_put(name, bytes);
    return ram.put_new(name, bytes);
  }
  std::size_t read(const std::string& name, std::uint64_t offset,
                   std::span<std::byte> into) override {
    if (before_read) before_read(name);
    return ram.read(name, offset, into);
  }
  void read_soon(const std::string& name, std::uint64_t offset,
                 std::uint64_t bytes) noexcept override {
    if (read_ahead) read_ahead(name, offset, bytes);
  }
  std::optional<std::uint64_t> size_of(const std::string& name) override {
    return ram.size_of(name);
  }
  std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                std::size_t most) override {
    if (before_list) before_list(prefix);
    return ram.list(prefix, after, most);
  }
  void remove(const std::string& name) override { ram.remove(name); }
  store::StoreFacts facts() override { return ram.facts(); }
};

}  // namespace cardswap::test
