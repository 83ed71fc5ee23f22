#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cardswap {

/// Tells people which shards were not handled as planned: those that appeared during the replay,
/// and those that an audit found different. A shard is named after one of its regions. Pure.
class ReplayReport {
 public:
  void add_late(const std::string& region) { add(late_, late_names_, region); }
  void add_not_replayed(const std::string& region) { add(wrong_, wrong_names_, region); }

  [[nodiscard]] std::uint64_t not_replayed() const { return wrong_; }
  /// The names of the first few shards that were not replayed, separated by commas.
  [[nodiscard]] const std::string& names_not_replayed() const { return wrong_names_; }
  /// The report as one line; empty when everything went as planned. `shards`: how many there are.
  [[nodiscard]] std::string text(std::size_t shards) const;

 private:
  static void add(std::uint64_t& count, std::string& names, const std::string& region);

  std::uint64_t late_ = 0;
  std::string late_names_;
  std::uint64_t wrong_ = 0;
  std::string wrong_names_;
};

}  // namespace cardswap
