#include "migrator/engine/source/replay/audit.h"

#include <cassert>
#include <memory>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {

AuditOutcome compare_audits(std::span<const Digest> here, std::span<const Digest> there,
                            ChunkMap& chunks, ReplayShards& shards) {
  assert(here.size() == chunks.size() && there.size() == chunks.size());
  AuditOutcome outcome;
  for (std::size_t i = 0; i < here.size(); ++i) {
    const auto chunk = static_cast<ChunkId>(i);
    const auto region = chunks.span_of(chunk).region;
    if (shards.replays(region)) {
      if (here[i] == there[i]) continue;
      const auto shard_entry = *shards.find(region);
      shards[shard_entry].by_digests = true;
      outcome.not_replayed.push_back(shard_entry);
      outcome.regions.push_back(region);
    }
    chunks.confirm(chunk, there[i]);
    if (here[i] != there[i]) outcome.missing.push_back(chunk);
  }
  return outcome;
}

bool Audit::request() {
  if (clean_ || asked_) return false;
  asked_ = true;
  log_.request_audit();
  return true;
}

void Audit::note_sent_as(std::uint64_t step, std::uint64_t update) {
  if (running_ && running_->step == step) running_->update = update;
}

/// Begins the scan at once, before the entry is sent: by then the trainer may be some steps ahead.
/// False: the next step has begun already.
bool Audit::begin_scan() {
  auto& audit = *running_;
  auto read = window_.try_read();
  if (!read || read->step() < audit.step) return true;  // not yet
  if (read->step() > audit.step) return false;
  audit.view = source_.state.view();
  const auto fence = read->fence();
  // Let go by the scan itself: the engine may be busy on a slow link when it ends.
  auto reading = std::make_shared<std::optional<StateWindow::Read>>(std::move(*read));
  audit.scan.emplace(ranges_of(audit.view, source_.state.chunks().spans()), fence, 1U,
                     [this, reading = std::move(reading)] {
                       reading->reset();
                       source_.connection.wake();
                     });
  return true;
}

std::optional<AuditOutcome> Audit::poll(ReplayShards& shards) {
  if (const auto step = log_.take_audit_step()) running_.emplace(*step);
  if (!running_) return std::nullopt;
  auto& audit = *running_;
  if (!audit.here && !audit.scan && !begin_scan()) {
    cancel();  // try another one
    return std::nullopt;
  }
  if (audit.scan && audit.scan->is_done()) {
    audit.here = audit.scan->digests();
    audit.scan.reset();
  }
  const auto& there = source_.connection.answers().audited;
  if (!audit.here || audit.update == 0 || !there || there->number != audit.update) {
    return std::nullopt;
  }
  if (there->chunks.size() != source_.state.chunks().size()) {
    throw Error(Code::bad_request, "the target audited another number of chunks");
  }
  const auto here = std::move(*audit.here);
  auto outcome = compare_audits(here, there->chunks, source_.state.chunks(), shards);
  cancel();
  concluded_ = true;
  clean_ = outcome.missing.empty();
  return outcome;
}

bool Audit::start_over() {
  const bool interrupted = asked_ && !concluded_;
  cancel();
  concluded_ = clean_ = false;
  return interrupted;
}

void Audit::cancel() {
  running_.reset();
  asked_ = false;
}

}  // namespace cardswap
