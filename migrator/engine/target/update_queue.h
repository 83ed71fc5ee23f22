#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "migrator/device/memory_range.h"
#include "migrator/engine/received_update.h"
#include "migrator/engine/target/early_arrivals.h"
#include "migrator/engine/target/placed_bytes.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Assembles updates from gradients whose pieces land in any order; early gradients land before
/// their update is known. One thread.
class UpdateQueue {
 public:
  /// The waiting gradients may have this many times the bytes of the state.
  static constexpr std::uint64_t kStatesWaitingMax = 4;
  using Allocate = std::function<Buffer(ParameterId parameter, std::size_t bytes)>;

  /// Adds an update, or an early gradient; `allocate` makes memory for the gradients. Throws
  /// Error{bad_request} for a wrong number, for more than `state_bytes` of gradients, and when more
  /// than kStatesWaitingMax x `state_bytes` would wait; and what `allocate` throws. Nothing has
  /// changed then.
  void add(data::Update update, std::uint64_t state_bytes, const Allocate& allocate);
  void add(const data::EarlyGradient& gradient, std::uint64_t state_bytes,
           const Allocate& allocate);
  void drop(const data::EarlyDropped& dropped) { early_.drop(dropped); }
  /// Returns the memory for a piece of a gradient. Throws Error{bad_request} for a piece that is
  /// not expected or overlaps an earlier one.
  [[nodiscard]] MemoryRange reserve(const data::GradientHeader& header, std::size_t bytes);
  [[nodiscard]] MemoryRange reserve(const data::EarlyHeader& header, std::size_t bytes) {
    return early_.reserve(header, bytes);
  }
  void on_received(const data::GradientHeader& header, std::size_t bytes);
  void on_received(const data::EarlyHeader& header, std::size_t bytes) {
    early_.on_received(header, bytes);
  }
  /// Takes the next update in order. Nullopt: its gradients are not complete, or it needs more
  /// chunks of the base copy than `base_chunks`, the number that has landed.
  [[nodiscard]] std::optional<ReceivedUpdate> take(std::uint64_t base_chunks);
  /// Forgets everything, for a new layout, in which numbers begin at 1 again. Throws
  /// Error{bad_request} while a piece is landing.
  void clear();

 private:
  /// An update that was not taken yet.
  struct Waiting {
    data::Update update;
    std::vector<Buffer> gradients;    ///< empty for a gradient that was sent early
    std::vector<PlacedBytes> pieces;  ///< for each gradient
    std::uint64_t bytes = 0;          ///< of gradients that were not sent early
    std::uint64_t placed = 0;         ///< of these, bytes that have landed or are landing
    std::uint64_t landed = 0;         ///< of these, bytes that have landed
  };
  [[nodiscard]] Waiting& at(std::uint64_t number);
  [[nodiscard]] bool is_whole(const Waiting& waiting) const;
  void check(const data::Update& update, std::uint64_t state_bytes) const;

  EarlyArrivals early_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t added_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace cardswap
