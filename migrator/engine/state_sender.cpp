#include "migrator/engine/state_sender.h"

#include <utility>

#include "migrator/core/compression.h"
#include "migrator/core/error.h"
#include "migrator/device/digest_job.h"

namespace cardswap {

StateSender::StateSender(const SourceOptions& options, SourceProgram& program,
                         PeerConnection& connection, PayloadSender& payloads, FreezeRequest& freeze,
                         Figures& figures)
    : options_(options),
      program_(program),
      connection_(connection),
      payloads_(payloads),
      freeze_(freeze),
      figures_(figures) {}

void StateSender::take_first_view() { view_ = program_.state_view(); }

void StateSender::introduce() {
  chunks_ = ChunkMap(view_.layout, options_.spec.chunk_bytes);
  connection_.send(data::Hello{data::kMagic, data::kVersion, options_.migration, options_.token,
                               options_.spec.chunk_bytes, asks_what_is_held(), view_.layout});
  await_layout_answer();
}

void StateSender::await_layout_answer() {
  auto& answers = connection_.answers();
  answers.accepted.reset();
  answers.digests.reset();
  connection_.progress_until([&] { return answers.accepted.has_value(); });
  if (*answers.accepted != chunks_.size()) {
    throw Error(Code::layout_differs, "the target cuts the state into other chunks");
  }
  figures_.note_state(view_.layout.total_bytes());
  if (asks_what_is_held()) await_digests(0, false);
}

/// What the target holds once `round` is over; 0: before anything was sent in this layout.
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
  connection_.send(data::LayoutChanged{asks_what_is_held(), view_.layout});
  await_layout_answer();
}

/// The caller sends nothing meanwhile: what is under way is of updates and chunks that the target
/// waits for first.
void StateSender::amend(StateView now, std::uint64_t updates, std::uint64_t base_chunks) {
  auto& accepted = connection_.answers().accepted;
  accepted.reset();
  connection_.send(data::LayoutAmended{updates, base_chunks, now.layout});
  // Until then what the target says is of the former layout.
  connection_.progress_until([&] { return accepted.has_value(); });
  auto chunks = chunks_.carried_over(now.layout);
  if (*accepted != chunks.size()) {
    throw Error(Code::layout_differs, "the target cuts the state into other chunks");
  }
  chunks_ = std::move(chunks);
  view_ = std::move(now);
  figures_.note_state(view_.layout.total_bytes());
}

std::uint8_t StateSender::element_size_of(RegionId region) const {
  return element_bytes(view_.layout.regions()[static_cast<std::size_t>(region)].dtype);
}

std::vector<Digest> StateSender::scan(unsigned threads) {
  const auto start = PeerConnection::Clock::now();
  DigestJob job(ranges_of(view_, chunks_.spans()), view_.fence, threads,
                [this] { connection_.wake(); });
  connection_.progress_until([&] { return job.done(); });
  figures_.note_digested(job.bytes(), PeerConnection::Clock::now() - start);
  return job.digests();
}

void StateSender::send_round(std::span<const ChunkId> chunks, bool final, std::uint64_t updates) {
  const auto round = ++rounds_sent_;
  auto left = chunks_.bytes_in(chunks);
  figures_.note_remaining(left);
  auto ahead = payloads_.read_ahead(view_.fence);
  for (const auto chunk : chunks) {
    const auto& span = chunks_.span_of(chunk);
    ahead.want(range_of(view_, span), element_size_of(span.region));
  }
  std::uint32_t sent = 0;
  for (const auto chunk : chunks) {
    if (!final && freeze_.is_here()) break;
    const auto& span = chunks_.span_of(chunk);
    payloads_.send(data::ChunkHeader{chunk, round}, payloads_.await(ahead),
                   element_size_of(span.region), final);
    chunks_.forget(chunk);
    ++sent;
    left -= span.bytes;
    figures_.note_remaining(left);
    figures_.report(false);
  }
  connection_.progress_until([this] { return connection_.bulk_in_flight() == 0; });
  connection_.answers().digests.reset();
  connection_.send(data::RoundEnd{round, sent, final, updates});
  await_digests(round, final);
  payloads_.end_stretch();  // to the answer: what was sent last may have gone no further than a
                            // buffer
}

}  // namespace cardswap
