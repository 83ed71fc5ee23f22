#include "migrator/engine/source/logged_send.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <future>
#include <utility>

#include "migrator/engine/source/frozen_send.h"

namespace cardswap {
namespace {

constexpr int kBaseRoundsMax = 3;
/// The target may have so many that it has not replayed.
constexpr std::uint64_t kUpdatesAhead = 2;

}  // namespace

void LoggedSend::bring_over() {
  send_base();
  source_.reporter.enter(MigrationPhase::replay);
  auto& connection = source_.connection;
  // The next update is read while this one is sent: a disk is slower than a heartbeat may wait.
  std::atomic<bool> is_read{false};
  const auto read_next = [&] {
    is_read = false;
    return std::async(std::launch::async, [&] {
      struct Tell {
        std::atomic<bool>& flag;
        ConnectionToTarget& to;
        ~Tell() {
          flag = true;
          to.wake();
        }
      } const tell{is_read, connection};
      return updates_.next();
    });
  };
  auto coming = read_next();
  while (true) {
    connection.progress_until([&] { return is_read.load(); });
    auto entry = coming.get();
    if (!entry) break;
    coming = read_next();
    send(std::move(*entry));
    source_.reporter.report(false);
  }
  connection.progress_until([&] { return connection.answers().replayed.number >= sent_; });
}

void LoggedSend::send_base() {
  auto& state = source_.state;
  const auto now = state.scan(frozen_scan_threads());
  for (int round = 0; round < kBaseRoundsMax; ++round) {
    const auto missing = state.chunks().differing(now);
    if (missing.empty()) return;
    state.send_round(missing, false);
    source_.reporter.note_round();
  }
  if (state.chunks().differing(now).empty()) return;
  throw Error(Code::digest_mismatch, "the standby does not hold the snapshot's bytes as they came",
              "something else writes to its memory, or the link damages bytes");
}

void LoggedSend::send(UpdateEntry entry) {
  auto& connection = source_.connection;
  connection.progress_until(
      [&] { return connection.answers().replayed.number + kUpdatesAhead > sent_; });
  data::Update update;
  update.number = ++sent_;
  update.step = entry.step;
  update.optimizer = entry.optimizer;
  update.options = std::move(entry.options);
  for (const auto& gradient : entry.gradients) {
    auto& size = update.gradients.emplace_back();
    size.parameter = static_cast<std::uint32_t>(gradient.parameter);
    size.bytes = gradient.bytes.size();
  }
  connection.send(update);
  const auto piece_bytes = source_.options.spec.chunk_bytes;
  for (std::uint32_t i = 0; i < entry.gradients.size(); ++i) {
    const auto& gradient = entry.gradients[i];
    for (std::uint64_t offset = 0; offset < gradient.bytes.size(); offset += piece_bytes) {
      const auto size = std::min<std::uint64_t>(piece_bytes, gradient.bytes.size() - offset);
      source_.payloads.send(data::GradientHeader{sent_, i, offset},
                            {gradient.bytes.subspan(offset, size), gradient.owner, 0, {}}, 1,
                            CapRule::always);
    }
  }
}

void LoggedSend::send_values() {
  const auto& frozen = source_.freeze.state();
  std::vector<data::Note> notes;
  for (const auto& [name, value] : frozen.notes) {
    notes.push_back({name, std::bit_cast<std::uint64_t>(value)});
  }
  const auto& clock = source_.connection;
  source_.connection.send(data::Values{frozen.step,
                                       frozen.last_step_end_ns + clock.clock_offset_ns(),
                                       clock.clock_error_ns(), frozen.values, std::move(notes)});
  source_.reporter.note_values(frozen.values.size());
}

Digest LoggedSend::confirm() {
  auto& state = source_.state;
  source_.reporter.enter(MigrationPhase::verify);
  send_values();
  state.send_round({}, true, sent_);
  const auto& chunks = state.chunks();
  std::vector<Digest> held(chunks.size());
  for (std::size_t i = 0; i < held.size(); ++i) {
    held[i] = chunks.digest(static_cast<ChunkId>(i)).value_or(Digest{});
  }
  const auto wanted = updates_.state_digest();
  const auto& layout = state.view().layout;
  if (data::state_digest_of(layout, held, state.target_values().value_or(Digest{})) != wanted) {
    throw Error(
        Code::digest_mismatch,
        fmt::format("replaying {} logged updates up to step {} did not lead to the state that the "
                    "job had there",
                    sent_, source_.freeze.state().step),
        "another processor or library computes other bits; go on from a snapshot");
  }
  if (source_.connection.ask(&TargetAnswers::confirmed, data::Equal{wanted}) != wanted) {
    throw Error(Code::digest_mismatch, "the target confirmed another state's digest");
  }
  return wanted;
}

}  // namespace cardswap
