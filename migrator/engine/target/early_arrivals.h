#pragma once

#include <cstdint>
#include <map>

#include "migrator/device/memory_range.h"
#include "migrator/engine/shard.h"
#include "migrator/engine/target/placed_bytes.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Early gradients at the target: each has its place from its announcement on, until the update
/// that refers to it takes it, or it is dropped. Pieces land in any order, also behind the message
/// that drops theirs. Throws Error{bad_request} on what no honest source sends. One thread.
class EarlyArrivals {
 public:
  /// Whether `gradient` is the next one, and of how many bytes. Changes nothing.
  void check(const data::EarlyGradient& gradient) const;
  /// Adds one that was checked.
  void add(const data::EarlyGradient& gradient, Buffer memory);
  void drop(const data::EarlyDropped& dropped);
  /// Whether an update may refer to this one: it is of that parameter and size, and no other update
  /// has it.
  void check_claim(const data::Update::GradientSize& claimed) const;
  void claim(std::uint64_t number);

  /// The place of a piece. Each byte comes once: a piece that comes again is refused.
  [[nodiscard]] MemoryRange reserve(const data::EarlyHeader& header, std::size_t bytes);
  void on_received(const data::EarlyHeader& header, std::size_t bytes);
  /// Whether all of one that was claimed is here.
  [[nodiscard]] bool is_whole(std::uint64_t number) const;
  /// The memory of one that is whole; its number is nobody's then.
  [[nodiscard]] Buffer take(std::uint64_t number);

  /// Bytes that have a place.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool is_landing() const;
  /// Forgets all; numbers begin at 1 again.
  void clear();

 private:
  /// One that has its place.
  struct Arrival {
    ParameterId parameter{};
    Buffer memory;
    std::uint64_t expected = 0;  ///< bytes; of one that was dropped those that were sent
    PlacedBytes placed;          ///< landed, or landing
    std::uint64_t landed = 0;
    bool claimed = false;
    bool dropped = false;
  };
  [[nodiscard]] static auto& at(auto& arrivals, std::uint64_t number);
  void forget(std::uint64_t number);

  std::map<std::uint64_t, Arrival> arrivals_;
  std::uint64_t added_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace cardswap
