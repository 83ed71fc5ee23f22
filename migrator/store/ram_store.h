#pragma once

#include <map>
#include <string>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// A store in this process's memory: for tests, and for snapshots that may end with the process.
class RamStore final : public Store {
 public:
  Put put_new(const std::string& name, std::span<const std::byte> bytes) override;
  std::size_t read(const std::string& name, std::uint64_t offset,
                   std::span<std::byte> into) override;
  std::optional<std::uint64_t> size_of(const std::string& name) override;
  std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                std::size_t most) override;
  void remove(const std::string& name) override;
  StoreFacts facts() override;

 private:
  Mutex mutex_;
  std::map<std::string, std::vector<std::byte>> objects_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap::store
