#include "migrator/engine/source/replay/log_shipper.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "migrator/base/ms_since.h"
#include "migrator/engine/replay_sizes.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// The log may hold the gradients of this many steps.
constexpr std::uint64_t kStepsHeld = 2;
/// The factor by which the time of a long replay decays at each further update.
constexpr double kReplayDecay = 0.75;

}  // namespace

void LogShipper::begin(std::uint64_t update_bytes) {
  room_ = room_for_gradients(source_.state.view().devices);
  // A step that waits until its gradients are sent needs no more memory than without a migration.
  if (source_.options.spec.log_memory == 0 && room_ < update_bytes) log_.hold_each_step();
  bound(update_bytes);
}

void LogShipper::bound(std::uint64_t update_bytes) {
  const auto asked = source_.options.spec.log_memory;
  const auto fits = std::min(kStepsHeld * update_bytes, room_);
  log_.set_bytes_max(asked != 0 ? asked : std::max<std::uint64_t>(fits, 1));  // 0 is no bound
}

void LogShipper::set_early(bool on) {
  const bool same = std::exchange(goes_early_, on) == on;
  const auto step = gradients_.latest_step();
  if (std::exchange(went_early_at_, step) == step && same) return;
  early_.watch(on);
}

bool LogShipper::send_early_piece() {
  const auto before = early_.stats().bytes;
  if (!early_.send_piece()) return false;
  stats_.log_bytes += early_.stats().bytes - before;
  return true;
}

void LogShipper::send(UpdateEntry entry, std::uint64_t base_chunks,
                      const std::function<void()>& between_sends) {
  const auto start = Clock::now();
  const auto step = entry.step;
  const auto held = entry.bytes();
  data::Update update;
  update.number = ++updates_sent_;
  update.step = entry.step;
  update.audit = entry.audit;
  update.optimizer = entry.optimizer;
  update.base_chunks = base_chunks;
  update.options = std::move(entry.options);
  std::erase_if(entry.gradients, [&](const CapturedGradient& gradient) {
    const auto shard_entry = shards_.find(gradient.parameter);
    return !shard_entry || !shards_[*shard_entry].is_replayed() ||
           *shards_[*shard_entry].copied_at >= entry.step;
  });
  auto claims = early_.claim(entry);
  std::vector<Outgoing> outgoing;
  std::uint64_t ahead = 0;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    auto& gradient = entry.gradients[i];
    const auto& shard_entry = shards_[*shards_.find(gradient.parameter)];
    const auto element_bytes = source_.state.element_bytes_of(shard_entry.shard.regions.front());
    auto& size = update.gradients.emplace_back();
    size.parameter = static_cast<std::uint32_t>(gradient.parameter);
    size.bytes = gradient.bytes.size();
    auto& one = outgoing.emplace_back();
    if (auto& claim = claims[i]) {
      size.early = claim->early_number;
      size.factor = claim->factor;
      one = {std::move(claim->gradient), claim->early_number, claim->sent, element_bytes};
    } else {
      one = {std::move(gradient), 0, 0, element_bytes};
    }
    ahead += one.sent;
  }
  gradients_.note(entry.step, held, ahead);
  source_.connection.send(update);
  between_sends();
  unacknowledged_.push_back({update.number, held});
  if (gradients_.most_bytes() != 0) bound(gradients_.most_bytes());
  ++stats_.log_entries;
  send_gradients(update.number, outgoing, entry.fence, between_sends);
  if (log_.empty()) {
    source_.payloads.wait_until_sent();
    // Else the base copy has a part of the time.
    if (goes_early_ && !outgoing.empty()) gradients_.note_sent(step, ms_since(start));
  }
  log_.note_sent();
}

void LogShipper::send_gradients(std::uint64_t update, std::span<const Outgoing> gradients,
                                const Fence& after, const std::function<void()>& between_sends) {
  const auto piece_bytes = source_.options.spec.chunk_bytes;
  const auto sent_before = source_.payloads.link_stats().sent;
  auto ahead = source_.payloads.read_ahead(after);
  for (const auto& [gradient, early, sent, element_bytes] : gradients) {
    // A MemoryRange is not const, but a device does not write to a range that it reads.
    auto* bytes = const_cast<std::byte*>(gradient.bytes.data());  // NOLINT
    for (std::uint64_t offset = sent; offset < gradient.bytes.size(); offset += piece_bytes) {
      const auto size = std::min<std::size_t>(piece_bytes, gradient.bytes.size() - offset);
      ahead.want({gradient.device.get(), {bytes + offset, size}}, element_bytes);
    }
  }
  for (std::uint32_t i = 0; i < gradients.size(); ++i) {
    const auto& [gradient, early, sent, element_bytes] = gradients[i];
    for (std::uint64_t offset = sent; offset < gradient.bytes.size();) {
      auto piece = source_.payloads.await(ahead);
      const auto size = piece.bytes.size();
      if (!piece.owner) piece.owner = gradient.owner;
      const auto header = early != 0 ? data::PayloadHeader(data::EarlyHeader{early, offset})
                                     : data::GradientHeader{update, i, offset};
      source_.payloads.send(header, std::move(piece), element_bytes, CapRule::always);
      stats_.log_bytes += size;
      offset += size;
      between_sends();
      source_.reporter.report(false);
    }
  }
  wire_bytes_ += source_.payloads.link_stats().sent - sent_before;
}

double LogShipper::state_bytes_per_gradient_byte() const {
  if (stats_.log_bytes == 0) return 1;
  return static_cast<double>(wire_bytes_ + early_.stats().wire_bytes) /
         static_cast<double>(stats_.log_bytes) * source_.payloads.link_stats().ratio;
}

void LogShipper::release_replayed() {
  const auto& replayed = source_.connection.answers().replayed;
  while (!unacknowledged_.empty() && unacknowledged_.front().update <= replayed.number) {
    log_.release(unacknowledged_.front().bytes);
    unacknowledged_.pop_front();
  }
  const auto log = log_.stats();
  stats_.log_lag_bytes = log.held_bytes - log.early_bytes;
  stats_.early_bytes = early_.stats().bytes;
  stats_.resent_bytes = early_.stats().resent;
  stats_.back_pressure_ms = log.back_pressure_ms;
  stats_.log_wait_ms = log.log_wait_ms;
  // A step may have several updates, some of which take no time: the longest recent one counts.
  if (std::exchange(noted_, replayed.number) == replayed.number) return;
  stats_.replay_ms = std::max(replayed.replay_ms, kReplayDecay * stats_.replay_ms);
}

}  // namespace cardswap
