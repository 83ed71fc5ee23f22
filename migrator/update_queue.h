#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "migrator/update_log.h"
#include "migrator/wire/messages.h"

namespace cardswap {

/// An update with its gradients, as a standby does it again.
struct ReceivedUpdate {
  struct Gradient {
    ParameterId parameter{};
    std::shared_ptr<std::vector<std::byte>> bytes;
  };
  std::uint64_t number = 0;
  std::uint64_t step = 0;
  std::uint32_t optimizer = 0;
  bool audit = false;
  std::vector<std::byte> options;
  std::vector<Gradient> gradients;
};

/// Puts together updates whose pieces land in any order. One thread.
class UpdateQueue {
 public:
  /// Throws Error{bad_request} for an update out of order, or for more than `bytes_max` of
  /// gradients waiting.
  void add(data::Update update, std::uint64_t bytes_max);
  /// Each byte once: a piece that comes again is refused.
  [[nodiscard]] std::span<std::byte> place_for(const data::GradientHeader& header,
                                               std::size_t bytes);
  void landed(const data::GradientHeader& header, std::size_t bytes);
  /// The next update in order, if it is whole and `base_chunks` have landed.
  [[nodiscard]] std::optional<ReceivedUpdate> take(std::uint64_t base_chunks);
  /// For a new layout: forgets everything, numbers begin at 1 again. Throws Error{bad_request}
  /// while something is landing.
  void clear();

 private:
  struct Waiting {
    data::Update update;
    std::vector<std::shared_ptr<std::vector<std::byte>>> gradients;
    std::uint64_t bytes = 0;
    std::uint64_t placed = 0;  ///< landed, or landing
    std::uint64_t landed = 0;
  };
  [[nodiscard]] Waiting& at(std::uint64_t number);

  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t added_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace cardswap
