// What a Replay finds by comparing both sides after one step, and what it tells of that.

#include <fmt/format.h>

#include "migrator/engine/replay.h"

namespace cardswap {
namespace {

constexpr std::size_t kMaxNamesReported = 8;

}  // namespace

void Replay::add_name(std::string& names, std::uint64_t count, const Region& region) {
  if (count <= kMaxNamesReported) names += (names.empty() ? "" : ", ") + region.name;
}

void Replay::go_by_digests(std::size_t unit, const Region& named) {
  units_[unit].by_digests = true;
  auto& stats = sender_.stats();
  add_name(stats.not_replayed, ++stats.regions_not_replayed, named);
  tell();
}

void Replay::tell() {
  const auto& stats = sender_.stats();
  std::string note;
  if (came_late_ != 0) {
    note = fmt::format("{} of {} shards came during the replay, copied then: {}{}", came_late_,
                       units_.size(), late_names_, came_late_ > kMaxNamesReported ? ", ..." : "");
  }
  if (const auto wrong = stats.regions_not_replayed; wrong != 0) {
    note +=
        fmt::format("{}{} by rounds, replaying gave other bytes: {}{}", note.empty() ? "" : "; ",
                    wrong, stats.not_replayed, wrong > kMaxNamesReported ? ", ..." : "");
  }
  sender_.tell(std::move(note));
}

void Replay::ask_for_audit() {
  if (base_left()) return;
  // A link slower than the gradients keeps the log full, which makes nothing faster: the trainer
  // waits for the link either way, and the freeze would wait for every entry.
  if (sender_.stats().log_lag_bytes > step_bytes_ && !log_->holds_each()) log_->hold_each();
  if (audited_ || audit_asked_) return;
  audit_asked_ = true;
  sender_.stats().phase = "replay";
  log_->request_audit();
}

void Replay::poll_audit() {
  auto& audit = *audit_;
  if (!audit.now && !audit.scan) {
    auto read = window_->try_read();
    if (!read || read->step() < audit.step) return;
    if (read->step() > audit.step) {  // the step after it came first; try another one
      audit_.reset();
      audit_asked_ = false;
      return;
    }
    audit.state_view = sender_.state_view();
    const auto fence = read->fence();
    // Let go by the scan itself: the engine may be busy on a slow line when it ends.
    auto reading = std::make_shared<std::optional<StateWindow::Read>>(std::move(*read));
    audit.scan.emplace(ranges_of(audit.state_view, sender_.chunks()), fence, 1U,
                       [this, reading = std::move(reading)] {
                         reading->reset();
                         sender_.wake();
                       });
  }
  if (audit.scan && audit.scan->done()) {
    audit.now = audit.scan->digests();
    audit.scan.reset();
  }
  if (audit.now && audit.update != 0 && sender_.audited() &&
      sender_.audited()->number == audit.update) {
    conclude_audit();
  }
}

/// Both sides' digests after the same update: what an update rewrites must agree by itself.
void Replay::conclude_audit() {
  const auto now = std::move(*audit_->now);
  audit_.reset();
  const auto& theirs = sender_.audited()->chunks;
  std::vector<ChunkId> missing;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const auto chunk = static_cast<ChunkId>(i);
    if (covers(chunk)) {
      if (now[i] == theirs[i]) continue;
      const auto region = static_cast<std::size_t>(sender_.chunks()[i].region);
      go_by_digests(*unit_of(chunk), sender_.state_view().layout.regions()[region]);
    }
    sender_.held()[i] = theirs[i];
    if (now[i] != theirs[i]) missing.push_back(chunk);
  }
  dirty_bytes_ = sender_.bytes_in(missing);
  ++sender_.stats().rounds;
  audit_concluded_ = true;
  audited_ = missing.empty();
  audit_asked_ = false;
  if (!missing.empty()) sender_.send_round(missing, false);
  if (units_.all_go_by_digests()) give_up();
}

}  // namespace cardswap
