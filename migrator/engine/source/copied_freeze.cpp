#include "migrator/engine/source/copied_freeze.h"

#include <algorithm>

#include "migrator/base/ms_since.h"
#include "migrator/engine/source/frozen_send.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// What a step leaves as it is goes ahead if it is at least this share of the state: less is copied
/// as quickly.
constexpr std::uint64_t kShareAhead = 16;
constexpr int kPassesMax = 4;
/// Memory is taken in parts, between which the link is served.
constexpr std::size_t kTouchedAtOnce = 32U << 20U;

}  // namespace

std::uint64_t CopiedFreeze::prepare(bool ahead) {
  const auto most = source_.options.copy_bytes_max;
  const auto expected = ahead ? send_what_stays() : source_.state.view().layout.total_bytes();
  take_memory(std::min(expected, most));
  return expected - std::min(expected, most);
}

/// Returns how many bytes a freeze is expected to find that the target lacks. What one step changes
/// no round makes less: only what changes now and then, while the rest is sent, is worth another.
std::uint64_t CopiedFreeze::send_what_stays() {
  auto& state = source_.state;
  source_.reporter.enter(MigrationPhase::base_copy);
  for (int pass = 1;; ++pass) {
    const auto lacking = look_at_a_step();
    const bool pays = lacking.staying_bytes >= state.view().layout.total_bytes() / kShareAhead;
    if (!pays || lacking.staying.empty() || source_.freeze.has_arrived()) return lacking.bytes;
    const auto step = source_.program.step();
    state.send_round(lacking.staying, false);
    source_.reporter.note_round();
    source_.reporter.report(true);
    const auto steps = source_.program.step() - step;
    if (steps <= 1 || pass == kPassesMax) return lacking.bytes - lacking.staying_bytes;
  }
}

CopiedFreeze::Lacking CopiedFreeze::look_at_a_step() {
  auto& state = source_.state;
  auto& program = source_.program;
  state.refresh(program.state_view());
  const auto before = state.scan(1);
  // The step that was under way may have changed everything already: the one behind it counts.
  const auto whole_step = program.step() + 2;
  source_.connection.progress_until([&] {
    return source_.freeze.has_arrived() || program.step() >= whole_step || program.takes_no_steps();
  });
  const auto layout = state.view().layout;
  state.refresh(program.state_view());
  const auto now = state.scan(1);
  const auto& chunks = state.chunks();
  const auto differing = chunks.differing(now);
  Lacking lacking;
  lacking.bytes = chunks.bytes_in(differing);
  if (!(state.view().layout == layout)) return lacking;  // the step has made state
  for (const auto chunk : differing) {
    const auto i = static_cast<std::size_t>(chunk);
    if (before[i] == now[i]) lacking.staying.push_back(chunk);
  }
  lacking.staying_bytes = chunks.bytes_in(lacking.staying);
  return lacking;
}

/// A step may change more than the last one did, or make state: there are addresses for that too.
void CopiedFreeze::reserve() {
  const auto bytes =
      std::min(source_.options.copy_bytes_max, source_.state.view().layout.total_bytes());
  if (copy_ && copy_->room() >= bytes) return;
  try {
    copy_.emplace(bytes);
  } catch (const Error& error) {
    if (error.code() != Code::no_memory) throw;
    copy_.emplace(0);  // all of it goes while the program stands
  }
}

void CopiedFreeze::take_memory(std::uint64_t bytes) {
  reserve();
  for (std::size_t at = 0; at < bytes && !source_.freeze.has_arrived(); at += kTouchedAtOnce) {
    copy_->touch(at, std::min<std::size_t>(kTouchedAtOnce, bytes - at));
    source_.connection.progress(Clock::now());
  }
}

std::vector<Digest> CopiedFreeze::let_go() {
  auto& state = source_.state;
  FreezeTimes took;
  const auto start = Clock::now();
  state.refresh(source_.freeze.state().state_view);
  reserve();
  const auto now = state.scan_into(*copy_, frozen_scan_threads());
  took.scan_ms = ms_since(start);
  const auto sending = Clock::now();
  send_what_found_no_room(now);
  took.send_ms = ms_since(sending);
  source_.reporter.note_freeze(took);
  source_.reporter.note_copied(copy_->bytes());
  state.send_from(*copy_);
  source_.freeze.let_go();
  source_.callbacks.copied(source_.freeze.state().step);
  return now;
}

void CopiedFreeze::send_what_found_no_room(const std::vector<Digest>& now) {
  auto left = without_room(now);
  for (int attempt = 0; !left.empty(); ++attempt) {
    if (attempt > kResendsMax) {
      throw Error(Code::digest_mismatch, "chunks still differ after they were sent again and again",
                  "something else writes to the target's memory, or the link damages bytes");
    }
    source_.state.send_frozen_part(left);
    left = without_room(now);
  }
}

std::vector<ChunkId> CopiedFreeze::without_room(const std::vector<Digest>& now) const {
  auto left = source_.state.chunks().differing(now);
  std::erase_if(left,
                [this](ChunkId chunk) { return copy_->has(static_cast<std::size_t>(chunk)); });
  return left;
}

}  // namespace cardswap
