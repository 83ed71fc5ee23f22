#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "migrator/engine/logged_updates.h"
#include "migrator/store/log_index.h"
#include "migrator/store/log_segment.h"
#include "migrator/store/store.h"
#include "runtime/snapshot/snapshot_packing.h"

namespace cardswap {

/// The steps of a gradient log that lead on from a snapshot, for the standby that replays them.
/// What no update rewrites is put into the snapshot's state at once. One thread at a time.
class LogFeed final : public LoggedUpdates {
 public:
  /// Reads the heads of all steps from `from` to `step`, and changes `state`, which is that of the
  /// snapshot `from`: it gets the values and the number of `step`, and the regions that no update
  /// rewrites as they are there. `in` outlives this. Throws Error{not_found} where the log does not
  /// lead there, Error{corrupt}, and what the store throws.
  LogFeed(store::Store& in, const store::Ref& from, const std::string& branch, std::uint64_t step,
          CapturedState& state);

  std::optional<UpdateEntry> next() override;
  [[nodiscard]] Digest state_digest() const override { return state_digest_; }

 private:
  void read_heads(const store::LogPart& part, std::uint64_t first, CapturedState& state);
  void load(const store::LogPart& part, std::uint64_t step);

  store::Store& store_;
  const std::string job_;
  const std::string run_;
  const std::uint64_t step_;
  std::vector<store::LogPart> parts_;
  std::uint64_t next_step_;
  Digest state_digest_;
  std::size_t part_ = 0;  // from which the next step is read
  std::optional<store::LogSegmentReader> reader_;
  std::vector<UpdateEntry> loaded_;  // of the step before next_step_, the last one first
};

}  // namespace cardswap
