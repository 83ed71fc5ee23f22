#include "migrator/store/chunk_intake.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

constexpr std::uint32_t kSkipMax = 32;  // twice the most chunks that are not tried in a row
/// So many chunks of a batch for each thread that the wait for the last one is short.
constexpr std::size_t kBatchChunks = 8;

}  // namespace

bool CompressionTrial::should_try() {
  if (skip_ == 0) return true;
  --skip_;
  return false;
}

void CompressionTrial::note(bool shortened) {
  next_skip_ = shortened ? 1 : std::min(next_skip_ * 2, kSkipMax);
  skip_ = shortened ? 0 : next_skip_ / 2;
}

RegionChunks::RegionChunks(std::uint64_t bytes, std::uint32_t chunk_bytes,
                           std::uint8_t element_size)
    : element_bytes(element_size) {
  node.bytes = bytes;
  node.chunk_bytes = chunk_bytes;
  node.chunks.resize(chunk_count(bytes, chunk_bytes));
  given.resize(node.chunks.size());
}

ChunkIntake::ChunkIntake(Store& store, PackCatalog& catalog, const std::set<std::string>& trashed,
                         SnapshotCost& cost, std::uint64_t salt, bool compress, Workers* workers)
    : store_(store),
      catalog_(catalog),
      trashed_(trashed),
      cost_(cost),
      compress_(compress),
      workers_(workers),
      pack_(salt),
      compressors_(workers == nullptr ? 1 : workers->slots()) {}

bool ChunkIntake::is_there(const ObjectId& chunk) const {
  const auto* place = catalog_.find(chunk);
  return place != nullptr && !trashed_.contains(pack_name(place->pack));
}

bool ChunkIntake::is_known(const ObjectId& chunk) const {
  return in_pack_.contains(chunk) || in_writing_.contains(chunk) || is_there(chunk);
}

bool ChunkIntake::should_try(RegionChunks& chunks) {
  const MutexLock lock(trials_);
  return chunks.trial.should_try();
}

/// On several threads. What it looks at (the catalog, trash, the packs under way) changes between
/// the batches only.
void ChunkIntake::encode(IncomingChunk& chunk, Compressor& compressor) {
  auto& region = *chunk.chunks;
  chunk.id = id_of(chunk.bytes);
  if (is_known(chunk.id)) return;
  const bool tried = compress_ && should_try(region);
  chunk.encoded = encode_chunk(compressor, chunk.id, chunk.bytes, region.element_bytes, tried);
  if (!tried) return;
  const MutexLock lock(trials_);
  region.trial.note(chunk.encoded->place.codec != ChunkCodec::plain);
}

void ChunkIntake::take(std::span<IncomingChunk> incoming) {
  check_not_failed();
  for (const auto& chunk : incoming) {
    const auto right = chunk_size(chunk.chunks->node, chunk.index);
    if (chunk.bytes.size() == right) continue;
    throw Error(Code::bad_request, fmt::format("chunk {} has {} bytes instead of {}", chunk.index,
                                               chunk.bytes.size(), right));
  }
  while (!incoming.empty()) {
    const auto batch =
        incoming.first(std::min(incoming.size(), kBatchChunks * compressors_.size()));
    const Workers::Work work = [&](std::size_t item, unsigned slot) {
      encode(batch[item], compressors_[slot]);
    };
    if (workers_ != nullptr) {
      workers_->for_each(batch.size(), work);
    } else {
      for (std::size_t item = 0; item < batch.size(); ++item) work(item, 0);
    }
    for (auto& chunk : batch) add_to_pack(chunk);
    incoming = incoming.subspan(batch.size());
  }
}

void ChunkIntake::add_to_pack(IncomingChunk& chunk) {
  if (chunk.encoded && !is_known(chunk.id)) {  // the same bytes may come twice in one batch
    if (!pack_.has_room_for(chunk.encoded->stored.size())) begin_put();
    pack_.add(*chunk.encoded);
    in_pack_.insert(chunk.id);
    cost_.new_bytes += chunk.bytes.size();
  }
  chunk.encoded.reset();
  if (chunk.chunks->given[chunk.index]) {
    throw Error(Code::bad_request, fmt::format("chunk {} came twice in one call", chunk.index));
  }
  chunk.chunks->node.chunks[chunk.index] = chunk.id;
  chunk.chunks->given[chunk.index] = true;
}

void ChunkIntake::finish() {
  check_not_failed();
  begin_put();
  end_put();
}

/// Begins to write the pack, once the one before it is written.
void ChunkIntake::begin_put() {
  if (pack_.empty()) return;
  end_put();
  auto full = pack_.finish_without_id();
  in_writing_ = std::exchange(in_pack_, {});
  if (workers_ != nullptr) {
    writing_ = begin_put_pack(store_, std::move(full), workers_->priority());
    return;
  }
  noting_failure([&] { note(put_pack(store_, std::move(full))); });
}

/// Waits for the pack that is being written.
void ChunkIntake::end_put() {
  if (writing_.valid()) noting_failure([&] { note(writing_.get()); });
}

template <class Put>
void ChunkIntake::noting_failure(Put put) {
  try {
    put();
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
}

/// Chunks that were taken are lost with their pack, and count as given: nothing may be published.
void ChunkIntake::check_not_failed() const {
  if (failure_) std::rethrow_exception(failure_);
}

/// Only from now on its chunks are the store's.
void ChunkIntake::note(const StoredPack& stored) {
  in_writing_.clear();
  catalog_.add(stored.id, stored.chunks);
  cost_.written_bytes += stored.written_bytes;
  ++cost_.packs;
}

}  // namespace cardswap::store
