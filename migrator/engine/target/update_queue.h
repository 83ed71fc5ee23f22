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
#include "migrator/engine/target/early_arrivals.h"
#include "migrator/engine/target/placed_bytes.h"
#include "migrator/engine/update.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Puts together updates whose pieces land in any order, some of them before the update is known:
/// early gradients. One thread.
class UpdateQueue {
 public:
  static constexpr std::uint64_t kStatesWaitingMax = 4;
  using Allocate = std::function<Buffer(ParameterId parameter, std::size_t bytes)>;

  /// Adds an update. Throws Error{bad_request} for one out of order, for one with more than
  /// `state_bytes` of gradients, and for more than kStatesWaitingMax times as many waiting; what
  /// `allocate` throws, before which nothing has changed. So does the other add().
  void add(data::Update update, std::uint64_t state_bytes, const Allocate& allocate);
  void add(const data::EarlyGradient& gradient, std::uint64_t state_bytes,
           const Allocate& allocate);
  void drop(const data::EarlyDropped& dropped) { early_.drop(dropped); }
  /// The place of a gradient's piece. Each byte comes once: a piece that comes again is refused.
  [[nodiscard]] MemoryRange reserve(const data::GradientHeader& header, std::size_t bytes);
  [[nodiscard]] MemoryRange reserve(const data::EarlyHeader& header, std::size_t bytes) {
    return early_.reserve(header, bytes);
  }
  void on_received(const data::GradientHeader& header, std::size_t bytes);
  void on_received(const data::EarlyHeader& header, std::size_t bytes) {
    early_.on_received(header, bytes);
  }
  /// The next update in order, if it is whole and `base_chunks` have landed.
  [[nodiscard]] std::optional<ReceivedUpdate> take(std::uint64_t base_chunks);
  /// Forgets everything, for a new layout whose numbers begin at 1 again. Throws Error{bad_request}
  /// while something is landing.
  void clear();

 private:
  /// An update some of whose pieces have not landed.
  struct Waiting {
    data::Update update;
    std::vector<Buffer> gradients;    ///< of early ones: none here
    std::vector<PlacedBytes> pieces;  ///< of each gradient: landed, or landing
    std::uint64_t bytes = 0;          ///< without early ones
    std::uint64_t placed = 0;         ///< of all gradients
    std::uint64_t landed = 0;
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
