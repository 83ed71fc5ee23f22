#include "migrator/engine/target/state_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <exception>
#include <future>
#include <thread>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/guest_thread.h"

namespace cardswap {

StateReceiver::StateReceiver(TargetProgram& program, PayloadReceiver& payloads,
                             std::function<void()> wake, std::function<void()> serve)
    : program_(program),
      payloads_(payloads),
      wake_(std::move(wake)),
      serve_(std::move(serve)),
      landed_digests_(wake_) {}

// ---- layouts

void StateReceiver::adopt(const Layout& wanted, std::uint64_t chunk_bytes) {
  payloads_.drain();  // into memory that is still there
  payloads_.forget_ranges();
  stop();  // both kinds of digests read the memory and count the chunks of the former layout
  distrust();
  chunks_ = ChunkMap();
  chunk_bytes_ = chunk_bytes;
  take_memory(wanted);
  chunks_ = ChunkMap(view_.layout, chunk_bytes);
  landed_.clear();  // only now: while memory was made, chunks of the former layout may have landed
  landed_in_.clear();
}

void StateReceiver::amend(const Layout& wanted) {
  assert(is_between_rounds() && !is_digesting_all());
  payloads_.drain();
  distrust();
  auto former = std::exchange(chunks_, ChunkMap());
  take_memory(wanted);
  chunks_ = former.carried_over(view_.layout);
}

void StateReceiver::take_memory(const Layout& wanted) {
  struct Made {
    StateView view;
    std::vector<std::optional<Digest>> elsewhere;
  };
  std::promise<Made> promise;
  auto made = promise.get_future();
  const GuestThread maker([&] {
    try {
      Made result{program_.adopt(wanted), {}};
      for (const auto& device : result.view.devices) device->wait(result.view.fence);
      result.elsewhere = program_.held_elsewhere(chunk_bytes_);
      promise.set_value(std::move(result));
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
    wake_();  // only now: woken before that, serve_() would wait once more, in the downtime
  });
  while (made.wait_for(std::chrono::milliseconds(0)) != std::future_status::ready) serve_();
  auto result = made.get();
  elsewhere_ = std::move(result.elsewhere);
  auto former = std::exchange(view_, std::move(result.view));
  if (under_way_ != 0) former_.push_back(std::move(former));
  if (view_.layout == wanted) return;
  throw Error(Code::layout_differs,
              fmt::format("the standby's tensors are not the source's: {}",
                          fmt::join(differences(wanted, view_.layout), "; ")),
              "both sides must build the same model; check arguments, files and environment");
}

// ---- chunks

MemoryRange StateReceiver::reserve(const data::ChunkHeader& header, std::size_t bytes) {
  if (!chunks_.has(header.chunk) || bytes != chunks_.span_of(header.chunk).bytes) {
    throw Error(Code::bad_request, "a chunk that this target does not expect");
  }
  ++under_way_;
  if (!elsewhere_.empty()) elsewhere_.at(static_cast<std::size_t>(header.chunk)).reset();
  return range_of(view_, chunks_.span_of(header.chunk));
}

void StateReceiver::on_received(const data::ChunkHeader& header) {
  assert(under_way_ != 0);
  if (--under_way_ == 0) former_.clear();
  ++landed_in_[header.round];
  if (!chunks_.has(header.chunk)) return;  // a former layout's
  const bool is_base = header.round == data::kBaseRound;
  if (is_base && !frozen_) return;  // it is digested with everything else
  if (!is_base) landed_.push_back(header.chunk);
  landed_digests_.add(header.chunk, range_of(view_, chunks_.span_of(header.chunk)));
}

std::uint32_t StateReceiver::received_in(std::uint32_t round) const {
  const auto found = landed_in_.find(round);
  return found == landed_in_.end() ? 0 : found->second;
}

// ---- digests

void StateReceiver::digest_all(bool with_layout, bool frozen) {
  whole_ = false;
  frozen_ = frozen;
  landed_.clear();
  landed_digests_.clear();
  payloads_.drain();
  if (with_layout) take_memory(Layout(view_.layout));
  in_all_ = in_memory();
  std::vector<MemoryRange> ranges;
  ranges.reserve(in_all_.size());
  for (const auto chunk : in_all_) ranges.push_back(range_of(view_, chunks_.span_of(chunk)));
  all_.emplace(std::move(ranges), Fence{}, std::max(1U, std::thread::hardware_concurrency()),
               wake_);
}

std::vector<ChunkId> StateReceiver::in_memory() const {
  auto all = chunks_.all();
  if (elsewhere_.empty()) return all;
  std::erase_if(all, [this](ChunkId chunk) {
    return elsewhere_.at(static_cast<std::size_t>(chunk)).has_value();
  });
  return all;
}

std::vector<ChunkId> StateReceiver::elsewhere() const {
  std::vector<ChunkId> result;
  for (std::size_t i = 0; i < elsewhere_.size(); ++i) {
    if (elsewhere_[i]) result.push_back(static_cast<ChunkId>(i));
  }
  return result;
}

bool StateReceiver::take_all() {
  if (!all_ || !all_->is_done()) return false;
  const auto& digests = all_->digests();
  assert(digests.size() == in_all_.size());
  for (std::size_t i = 0; i < digests.size(); ++i) chunks_.confirm(in_all_[i], digests[i]);
  for (std::size_t i = 0; i < elsewhere_.size(); ++i) {
    if (elsewhere_[i]) chunks_.confirm(static_cast<ChunkId>(i), *elsewhere_[i]);
  }
  all_.reset();
  whole_ = true;
  return true;
}

bool StateReceiver::digest_received(bool all_are_here) {
  return landed_digests_.advance(payloads_, chunks_, all_are_here);
}

void StateReceiver::stop() {
  landed_digests_.clear();
  all_.reset();
}

// ---- answers

std::vector<std::byte> StateReceiver::first_bytes(ChunkId chunk, std::uint32_t bytes) const {
  if (!chunks_.has(chunk) || bytes > chunks_.span_of(chunk).bytes || bytes > data::kShownBytesMax ||
      !is_between_rounds()) {
    throw Error(Code::bad_request, "bytes were asked for that are not to be shown");
  }
  auto range = range_of(view_, chunks_.span_of(chunk));
  range.bytes = range.bytes.first(bytes);
  std::vector<std::byte> shown(bytes);
  range.device->read(std::span(&range, 1), shown.data(), view_.fence);
  return shown;
}

data::ChunkDigests StateReceiver::end_round(std::uint32_t round) {
  whole_ = false;
  landed_in_.erase(round);
  return answer(round, false, std::exchange(landed_, {}), {});
}

data::ChunkDigests StateReceiver::end_final_round(std::uint32_t round, const Digest& values) {
  assert(is_whole());
  landed_in_.erase(round);
  landed_.clear();
  return answer(round, true, chunks_.all(), values);
}

data::ChunkDigests StateReceiver::all_chunks() const { return answer(0, false, chunks_.all(), {}); }

data::ChunkDigests StateReceiver::answer(std::uint32_t round, bool final,
                                         const std::vector<ChunkId>& chunks,
                                         const Digest& values) const {
  data::ChunkDigests result{round, final, {}, values};
  result.chunks.reserve(chunks.size());
  for (const auto chunk : chunks) {
    assert(chunks_.digest(chunk));
    result.chunks.emplace_back(chunk, chunks_.digest(chunk).value_or(Digest{}));
  }
  return result;
}

std::vector<Digest> StateReceiver::digests() const {
  std::vector<Digest> result;
  result.reserve(chunks_.size());
  for (const auto chunk : chunks_.all()) {
    result.push_back(chunks_.digest(chunk).value_or(Digest{}));
  }
  return result;
}

Digest StateReceiver::state_digest(const Digest& values) const {
  return data::state_digest_of(chunks_.layout(), digests(), values);
}

}  // namespace cardswap
