#include "migrator/engine/source/replay/early_sender.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cardswap {
namespace {

/// After this many gradients in vain: the program changes its gradients before each optimizer step.
constexpr int kInVainMax = 3;

}  // namespace

bool EarlySender::is_followed(ParameterId parameter, std::uint64_t step) const {
  const auto shard_entry = shards_.find(parameter);
  return shard_entry && shards_[*shard_entry].is_replayed() &&
         *shards_[*shard_entry].copied_at < step;
}

void EarlySender::watch(bool on) {
  std::vector<bool> wanted;
  for (std::size_t i = 0; on && i < shards_.size(); ++i) {
    const auto& shard_entry = shards_[i];
    if (shard_entry.gone || !shard_entry.is_replayed() || !shard_entry.shard.has_gradient) continue;
    const auto parameter = static_cast<std::size_t>(shard_entry.shard.parameter);
    const auto known = in_vain_.find(shard_entry.shard.parameter);
    if (known != in_vain_.end() && known->second >= kInVainMax) continue;
    if (wanted.size() <= parameter) wanted.resize(parameter + 1);
    wanted[parameter] = true;
  }
  log_.want_early(std::move(wanted));
}

void EarlySender::take_new() {
  while (auto copy = log_.take_early()) {
    const auto& gradient = copy->gradient;
    if (is_followed(gradient.parameter, copy->step) && gradient.device->is_host()) {
      pending_.push_back({std::move(*copy)});
    } else {
      log_.drop_early(*copy);
    }
  }
}

bool EarlySender::send_piece() {
  take_new();
  const auto next = std::ranges::find_if(pending_, [](const Pending& pending) {
    return pending.sent < pending.gradient().bytes.size();
  });
  if (next == pending_.end()) return false;
  const auto& gradient = next->gradient();
  if (next->early_number == 0) {
    next->early_number = ++numbered_;
    source_.connection.send(data::EarlyGradient{
        next->early_number, static_cast<std::uint32_t>(gradient.parameter), gradient.bytes.size()});
  }
  const auto size =
      std::min<std::uint64_t>(source_.options.spec.chunk_bytes, gradient.bytes.size() - next->sent);
  const auto& shard_entry = shards_[*shards_.find(gradient.parameter)];
  const auto sent_before = source_.payloads.link_stats().sent;
  source_.payloads.send(data::EarlyHeader{next->early_number, next->sent},
                        {gradient.bytes.subspan(next->sent, size), gradient.owner},
                        source_.state.element_bytes_of(shard_entry.shard.regions.front()),
                        CapRule::always);
  next->sent += size;
  stats_.bytes += size;
  stats_.wire_bytes += source_.payloads.link_stats().sent - sent_before;
  return true;
}

void EarlySender::drop(const Pending& pending) {
  log_.drop_early(pending.copy);
  if (pending.early_number == 0) return;
  source_.connection.send(data::EarlyDropped{pending.early_number, pending.sent});
  stats_.resent += pending.sent;
}

std::optional<Factor> EarlySender::relation(const CapturedGradient& early,
                                            const CapturedGradient& now) {
  if (!now.device->is_host() || now.bytes.size() != early.bytes.size()) return std::nullopt;
  if (std::memcmp(now.bytes.data(), early.bytes.data(), now.bytes.size()) == 0) return Factor{};
  if (!source_.connection.answers().multiplies) return std::nullopt;
  const auto& shard_entry = shards_[*shards_.find(early.parameter)];
  const auto& regions = source_.state.view().layout.regions();
  const auto kind =
      factor_kind(regions[static_cast<std::size_t>(shard_entry.shard.regions.front())].dtype);
  const auto factor = find_factor(kind, early.bytes, now.bytes, factor_);
  if (!factor) return std::nullopt;
  factor_ = factor;
  return Factor{kind, *factor, digest_of(now.bytes)};
}

std::vector<std::optional<EarlySender::Claim>> EarlySender::claim(const UpdateEntry& entry) {
  take_new();
  std::vector<std::optional<Claim>> claims(entry.gradients.size());
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const auto& now = entry.gradients[i];
    const auto found = std::ranges::find_if(pending_, [&](const Pending& pending) {
      return pending.gradient().parameter == now.parameter && pending.copy.step <= entry.step;
    });
    if (found == pending_.end()) continue;
    const auto pending = std::move(*found);
    pending_.erase(found);
    // A gradient of which no piece was sent is sent with the entry.
    const auto factor =
        pending.early_number == 0 ? std::nullopt : relation(pending.gradient(), now);
    if (factor) {
      log_.drop_early(pending.copy);  // the entry has it
      claims[i] = Claim{pending.early_number, pending.sent, pending.gradient(), *factor};
      in_vain_.erase(now.parameter);
    } else {
      drop(pending);
      if (pending.early_number != 0) ++in_vain_[now.parameter];
    }
  }
  std::erase_if(pending_, [&](const Pending& pending) {
    if (pending.copy.step >= entry.step) return false;
    drop(pending);
    if (pending.early_number != 0) ++in_vain_[pending.gradient().parameter];
    return true;
  });
  return claims;
}

void EarlySender::drop_all() {
  take_new();
  bool any = false;
  for (const auto& pending : pending_) {
    any = any || pending.early_number != 0;
    drop(pending);
  }
  pending_.clear();
  if (any) source_.payloads.wait_until_sent();
}

}  // namespace cardswap
