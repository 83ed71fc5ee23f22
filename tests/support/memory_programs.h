#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "migrator/device/device.h"
#include "migrator/engine/program.h"

// Programs of plain memory for both sides of an engine. Only atomic members are for several
// threads.

namespace cardswap::test {

/// Memory regions under names, as a program of either side tracks them.
struct Memory {
  std::deque<std::pair<std::string, std::vector<std::byte>>> regions;

  Memory& add(std::string name, std::size_t bytes, unsigned seed) {
    std::vector<std::byte> content(bytes);
    for (std::size_t i = 0; i < bytes; ++i) content[i] = static_cast<std::byte>(i * 31 + seed);
    regions.emplace_back(std::move(name), std::move(content));
    return *this;
  }
  [[nodiscard]] StateView state_view() {
    StateView result;
    std::vector<Region> layout;
    for (auto& [name, bytes] : regions) {
      layout.push_back({name, "bytes", "", bytes.size()});
      result.memory.emplace_back(bytes);
      result.devices.push_back(shared_cpu_device());
    }
    result.layout = Layout(std::move(layout));
    return result;
  }
};

/// A source's program that takes no step, or one whenever the engine asks for its step.
class MemorySource final : public SourceProgram {
 public:
  explicit MemorySource(Memory& memory) : memory_(memory) {}
  StateView state_view() override {
    if (rewrites_) {
      auto& bytes = memory_.regions[0].second;
      std::memset(bytes.data(), static_cast<int>(step_ % 256), bytes.size());
    }
    auto view = memory_.state_view();
    view.step = step_;
    return view;
  }
  std::uint64_t step() override { return rewrites_ ? ++step_ : step_.load(); }
  double median_step_ms() override { return 1; }

  std::atomic<std::uint64_t> step_{1};
  /// Takes a step whenever step() is called, and rewrites every byte of the first region. A step on
  /// another thread could stand still while the last chunks of a round are sent: they would be
  /// clean then.
  bool rewrites_ = false;

 private:
  Memory& memory_;
};

/// A target's program.
class MemoryTarget final : public TargetProgram {
 public:
  explicit MemoryTarget(Memory& memory) : memory_(memory) {}
  StateView adopt(const Layout&) override { return memory_.state_view(); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    values_.assign(values.begin(), values.end());
    auto saved = values_;
    if (forgets_values_ && !saved.empty()) saved[0] ^= std::byte{1};
    return saved;
  }

  std::vector<std::byte> values_;
  bool forgets_values_ = false;

 private:
  Memory& memory_;
};

}  // namespace cardswap::test
