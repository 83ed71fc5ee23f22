#include "migrator/engine/source/frozen_send.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <thread>
#include <utility>
#include <vector>

#include "migrator/base/ms_since.h"

namespace cardswap {
unsigned frozen_scan_threads() { return std::max(1U, std::thread::hardware_concurrency()); }

std::vector<Digest> FrozenSend::scan() {
  const auto& frozen = source_.freeze.state();
  const auto start = Clock::now();
  if (replay_ != nullptr) replay_->finish_log(frozen.state_view);
  if (!is_replaying()) source_.connection.send(data::FreezeBegin{});
  source_.state.refresh(frozen.state_view);
  // A target that still replays digests when it is done: the values tell it that no update follows.
  if (is_replaying()) send_values();
  auto now = source_.state.scan(frozen_scan_threads());
  took_.scan_ms = ms_since(start);
  note_freeze();
  return now;
}

void FrozenSend::bring_over(const std::vector<Digest>& now) {
  if (!values_) send_values();
  send_rest(now);
}

Digest FrozenSend::confirm(const std::vector<Digest>& now) {
  const auto state_digest =
      data::state_digest_of(source_.state.view().layout, now, values_.value());
  if (source_.connection.ask(&TargetAnswers::confirmed, data::Equal{state_digest}) !=
      state_digest) {
    throw Error(Code::digest_mismatch, "the target confirmed another state's digest");
  }
  took_.verify_ms = ms_since(sent_at_);
  note_freeze();
  return state_digest;
}

/// Of a program that went on nothing more is downtime.
void FrozenSend::note_freeze() {
  if (source_.freeze.stands()) source_.reporter.note_freeze(took_);
}

void FrozenSend::send_values() {
  const auto& frozen = source_.freeze.state();
  const auto& clock = source_.connection;
  values_ = digest_of(frozen.values);
  std::vector<data::Note> notes;
  for (const auto& [name, value] : frozen.notes) {
    notes.push_back({name, std::bit_cast<std::uint64_t>(value)});
  }
  source_.connection.send(data::Values{frozen.step,
                                       frozen.last_step_end_ns + clock.clock_offset_ns(),
                                       clock.clock_error_ns(), frozen.values, std::move(notes)});
  source_.reporter.note_values(frozen.values.size(), source_.freeze.stands());
}

/// What was left counts as sent when it had gone over once.
void FrozenSend::send_rest(const std::vector<Digest>& now) {
  auto& state = source_.state;
  const auto start = Clock::now();
  for (int attempt = 0;; ++attempt) {
    auto dirty = state.chunks().differing(now);
    if (is_replaying() && attempt == 0) {
      std::erase_if(dirty, [this](ChunkId chunk) { return replay_->covers(chunk); });
    }
    state.send_round(dirty, true, is_replaying() ? replay_->updates_sent() : 0);
    if (attempt == 0) {
      took_.send_ms = ms_since(start);
      note_freeze();
      sent_at_ = Clock::now();
      source_.reporter.enter(MigrationPhase::verify);
    }
    if (state.target_values() != values_) {
      throw Error(Code::digest_mismatch,
                  "the standby does not hold the counters, RNG and options that were sent",
                  "its program restores a tracked value differently than it saves it");
    }
    const auto differing = state.chunks().differing(now).size();
    if (differing == 0) return;
    if (attempt == kResendsMax) {
      throw Error(Code::digest_mismatch,
                  fmt::format("{} chunks still differ after they were sent {} times", differing,
                              kResendsMax + 1),
                  "something else writes to the standby's memory, or the link damages bytes");
    }
  }
}

}  // namespace cardswap
