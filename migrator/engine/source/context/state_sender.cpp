#include "migrator/engine/source/context/state_sender.h"

#include <deque>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/device/digest_run.h"

namespace cardswap {

StateSender::StateSender(const SourceOptions& options, SourceProgram& program,
                         ConnectionToTarget& connection, PayloadSender& payloads,
                         FrozenMailbox& freeze, StatsReporter& reporter)
    : options_(options),
      program_(program),
      connection_(connection),
      payloads_(payloads),
      freeze_(freeze),
      reporter_(reporter) {}

void StateSender::take_first_view() { view_ = program_.state_view(); }

void StateSender::introduce() {
  chunks_ = ChunkMap(view_.layout, options_.spec.chunk_bytes);
  agree_on(data::LayoutOffered{data::kMagic, data::kVersion, options_.migration, options_.token,
                               options_.spec.chunk_bytes, wants_digests(), view_.layout});
}

/// Sends `layout`, a message with view()'s layout, and waits for the answers.
void StateSender::agree_on(const data::Message& layout) {
  connection_.answers().digests.reset();  // of the layout before
  note_agreed(connection_.ask(&TargetAnswers::accepted, layout));
  if (wants_digests()) await_digests(0, false);
}

void StateSender::note_agreed(std::uint32_t their_chunks) {
  if (their_chunks != chunks_.size()) {
    throw Error(Code::layout_differs, "the target cuts the state into other chunks");
  }
  reporter_.note_state(view_.layout.total_bytes());
}

/// Waits for the target's digests after `round`; 0: before the first round of this layout.
void StateSender::await_digests(std::uint32_t round, bool final) {
  auto& answer = connection_.answers().digests;
  connection_.progress_until(
      [&] { return answer && answer->round == round && answer->final == final; });
  for (const auto& [chunk, digest] : answer->chunks) chunks_.confirm(chunk, digest);
  target_values_ = answer->values;
}

void StateSender::refresh(StateView now) {
  const bool same = now.layout == view_.layout;
  if (same) {
    view_ = std::move(now);
    return;
  }
  payloads_.wait_until_sent();  // they belong to the layout that the target still has
  view_ = std::move(now);
  chunks_ = ChunkMap(view_.layout, options_.spec.chunk_bytes);
  agree_on(data::LayoutReplaced{wants_digests(), view_.layout});
}

/// The caller sends nothing meanwhile. Payloads in flight belong to updates and chunks for which
/// the target waits first.
void StateSender::amend(StateView now, std::uint64_t updates, std::uint64_t base_chunks) {
  // Until it has answered, the target's messages are about the former layout.
  const auto accepted = connection_.ask(&TargetAnswers::accepted,
                                        data::LayoutAmended{updates, base_chunks, now.layout});
  chunks_ = chunks_.carried_over(now.layout);
  view_ = std::move(now);
  note_agreed(accepted);
}

std::vector<Digest> StateSender::compare(StateView now, unsigned threads) {
  payloads_.wait_until_sent();
  view_ = std::move(now);
  chunks_ = ChunkMap(view_.layout, options_.spec.chunk_bytes);
  connection_.answers().digests.reset();  // of the layout before
  connection_.begin_to_ask(&TargetAnswers::accepted, data::LayoutReplaced{true, view_.layout});
  auto here = scan(threads);
  note_agreed(connection_.await(&TargetAnswers::accepted));
  await_digests(0, false);
  return here;
}

std::uint8_t StateSender::element_bytes_of(RegionId region) const {
  return element_bytes(view_.layout.regions()[static_cast<std::size_t>(region)].dtype);
}

std::vector<Digest> StateSender::scan(unsigned threads) {
  const auto start = ConnectionToTarget::Clock::now();
  DigestRun job(ranges_of(view_, chunks_.spans()), view_.fence, threads,
                [this] { connection_.wake(); });
  connection_.progress_until([&] { return job.is_done(); });
  digest_rate_.add(job.bytes(), ConnectionToTarget::Clock::now() - start);
  return job.digests();
}

std::vector<Digest> StateSender::scan_into(FrozenCopy& copy, unsigned threads) {
  auto ranges = ranges_of(view_, chunks_.spans());
  std::vector<std::optional<Digest>> known;
  known.reserve(ranges.size());
  for (const auto chunk : chunks_.all()) known.push_back(chunks_.digest(chunk));
  copy.begin(ranges, std::move(known), view_.fence);
  DigestRun job(
      std::move(ranges), view_.fence, threads, [this] { connection_.wake(); },
      [&copy](std::size_t first, std::span<const Digest> digests) { copy.add(first, digests); });
  connection_.progress_until([&] { return job.is_done(); });
  return job.digests();
}

void StateSender::send_from(const FrozenCopy& copy) {
  copy_ = &copy;
  view_.memory.clear();
  view_.devices.clear();
  view_.keep_alive.clear();
  view_.shards.reset();
  view_.fence = {};
}

void StateSender::send_round(std::span<const ChunkId> chunks, bool final, std::uint64_t updates) {
  const auto round = ++rounds_sent_;
  end_round(round, send_chunks(chunks, round, final), final, updates);
}

void StateSender::send_frozen_part(std::span<const ChunkId> chunks) {
  const auto round = ++rounds_sent_;
  end_round(round, send_chunks(chunks, round, true), false, 0);
}

std::uint32_t StateSender::send_chunks(std::span<const ChunkId> chunks, std::uint32_t round,
                                       bool whole) {
  auto left = chunks_.bytes_in(chunks);
  reporter_.note_remaining(left);
  auto ahead = payloads_.read_ahead(view_.fence);
  for (const auto chunk : chunks) want(chunk, ahead);
  std::uint32_t sent = 0;
  for (const auto chunk : chunks) {
    if (!whole && freeze_.has_arrived()) break;
    send_chunk(chunk, round, ahead, whole);
    ++sent;
    left -= chunks_.span_of(chunk).bytes;
    reporter_.note_remaining(left);
    reporter_.report(false);
  }
  return sent;
}

std::uint64_t StateSender::send_differing(unsigned threads) {
  const auto round = ++rounds_sent_;
  std::optional<DigestRun> digesting(std::in_place, ranges_of(view_, chunks_.spans()), view_.fence,
                                     threads, [this] { connection_.wake(); });
  auto& job = *digesting;
  auto ahead = payloads_.read_ahead(view_.fence);
  std::deque<ChunkId> differing;
  std::size_t looked_at = 0;
  std::uint32_t sent = 0;
  std::uint64_t bytes = 0;
  auto left = view_.layout.total_bytes();
  reporter_.note_remaining(left);
  const auto look = [&] {
    for (const auto ready = job.ready(); looked_at < ready; ++looked_at) {
      const auto chunk = static_cast<ChunkId>(looked_at);
      if (chunks_.digest(chunk) == job.digest(looked_at)) {
        left -= chunks_.span_of(chunk).bytes;
        continue;
      }
      bytes += chunks_.span_of(chunk).bytes;
      differing.push_back(chunk);
      want(chunk, ahead);
    }
    return !differing.empty() || job.is_done() || freeze_.has_arrived();
  };
  while (!freeze_.has_arrived()) {
    connection_.progress_until([&] {
      if (look()) return true;
      job.wake_for_more();
      return look();
    });
    if (differing.empty()) {
      if (job.is_done()) (void)job.digests();  // throws what a device threw
      if (looked_at == chunks_.size()) break;
      continue;  // a freeze came, or the last ones between two looks
    }
    const auto chunk = differing.front();
    differing.pop_front();
    send_chunk(chunk, round, ahead, false);
    ++sent;
    left -= chunks_.span_of(chunk).bytes;
    reporter_.note_remaining(left);
    reporter_.report(false);
  }
  if (job.is_done()) digest_rate_.add(job.bytes(), job.took());
  digesting.reset();  // a freeze may have come first
  end_round(round, sent, false, 0);
  return bytes;
}

MemoryRange StateSender::memory_of(ChunkId chunk) const {
  if (copy_ == nullptr) return range_of(view_, chunks_.span_of(chunk));
  const auto index = static_cast<std::size_t>(chunk);
  if (copy_->has(index)) return {&cpu_device(), copy_->chunk(index)};
  throw Error(Code::digest_mismatch,
              "the target does not hold any more what it held when the job went on",
              "something else writes to the target's memory");
}

void StateSender::want(ChunkId chunk, ReadAhead& ahead) const {
  ahead.want(memory_of(chunk), element_bytes_of(chunks_.span_of(chunk).region));
}

/// `ahead` gives the chunk next.
void StateSender::send_chunk(ChunkId chunk, std::uint32_t round, ReadAhead& ahead, bool final) {
  payloads_.send(data::ChunkHeader{chunk, round}, payloads_.await(ahead),
                 element_bytes_of(chunks_.span_of(chunk).region),
                 final ? CapRule::always : CapRule::until_frozen);
  chunks_.forget(chunk);
}

void StateSender::end_round(std::uint32_t round, std::uint32_t sent, bool final,
                            std::uint64_t updates) {
  connection_.progress_until([this] { return connection_.payloads_in_flight() == 0; });
  connection_.begin_to_ask(&TargetAnswers::digests, data::RoundEnd{round, sent, final, updates});
  await_digests(round, final);
  // The stretch ends with the answer: until then the last payloads may only be in a buffer.
  payloads_.end_busy_period();
}

}  // namespace cardswap
