#pragma once

#include <cstdint>
#include <map>

#include "migrator/device/memory_range.h"
#include "migrator/engine/shard.h"
#include "migrator/engine/target/placed_bytes.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Early gradients at the target. A gradient has memory from its announcement until the update that
/// claims it takes the memory, or it is dropped. Its pieces land in any order, and may land after
/// the message that drops it. All calls with a message or a header of the source throw
/// Error{bad_request} for what an honest source never sends. One thread.
class EarlyArrivals {
 public:
  /// Throws unless `gradient` has the next number and a valid size. Changes nothing.
  void check(const data::EarlyGradient& gradient) const;
  /// Adds a gradient that was checked; its pieces land in `memory`.
  void add(const data::EarlyGradient& gradient, Buffer memory);
  void drop(const data::EarlyDropped& dropped);
  /// Throws unless an update may claim this gradient: the parameter and the size fit, and no other
  /// update has claimed it.
  void check_claim(const data::Update::GradientSize& claimed) const;
  /// Claims a gradient for an update, after check_claim().
  void claim(std::uint64_t number);

  /// Returns the memory for a piece. Throws for a piece that overlaps an earlier one.
  [[nodiscard]] MemoryRange reserve(const data::EarlyHeader& header, std::size_t bytes);
  /// Notes that the piece has landed.
  void on_received(const data::EarlyHeader& header, std::size_t bytes);
  /// Whether all bytes of a claimed gradient have landed.
  [[nodiscard]] bool is_whole(std::uint64_t number) const;
  /// Takes the memory of a gradient that is whole, and forgets the gradient.
  [[nodiscard]] Buffer take(std::uint64_t number);

  /// Bytes of memory of all gradients here.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// Whether a piece has memory and has not landed yet.
  [[nodiscard]] bool is_landing() const;
  /// Forgets all gradients; numbers begin at 1 again.
  void clear();

 private:
  /// A gradient that was announced.
  struct ArrivalMode {
    ParameterId parameter{};
    Buffer memory;
    std::uint64_t expected = 0;  ///< bytes; for a dropped gradient, those that were sent
    PlacedBytes placed;          ///< bytes that have landed or are landing
    std::uint64_t landed = 0;    ///< bytes
    bool claimed = false;
    bool dropped = false;
  };
  [[nodiscard]] static auto& at(auto& arrivals, std::uint64_t number);
  void forget(std::uint64_t number);

  std::map<std::uint64_t, ArrivalMode> arrivals_;
  std::uint64_t added_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace cardswap
