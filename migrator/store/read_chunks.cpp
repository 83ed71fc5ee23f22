#include "migrator/store/read_chunks.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

#include "migrator/core/compression.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

/// So short that all threads end together, and that a run and its chunks stay in a core's cache.
constexpr std::uint64_t kRunBytesMax = 1U << 20;
constexpr std::uint64_t kGapMax = 64U << 10;  // read along rather than sought over
/// So far ahead of the reads the store is told of what comes next: a disk is busy while the threads
/// unpack and hash what they have.
constexpr std::size_t kRunsAhead = 16;

/// Chunks that lie near each other in one pack.
struct Run {
  std::size_t first = 0;  ///< in the order of the packs
  std::size_t count = 0;
  std::uint64_t begin = 0;  ///< in the pack
  std::uint64_t end = 0;
};

std::uint64_t end_of(const PackCatalog::Place& place) {
  return std::uint64_t{place.chunk.at} + place.chunk.stored;
}

/// The indices of `wanted` in the order of the packs.
std::vector<std::size_t> in_order_of_packs(std::span<const WantedChunk> wanted) {
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) {
    return std::tuple(wanted[i].place.pack, wanted[i].place.chunk.at, i);
  });
  return order;
}

std::vector<Run> runs_of(std::span<const WantedChunk> wanted, std::span<const std::size_t> order) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& place = wanted[order[i]].place;
    if (!runs.empty()) {
      auto& run = runs.back();
      const bool is_near = wanted[order[run.first]].place.pack == place.pack &&
                           place.chunk.at <= run.end + kGapMax &&
                           end_of(place) - run.begin <= kRunBytesMax;
      if (is_near) {
        ++run.count;
        run.end = std::max(run.end, end_of(place));
        continue;
      }
    }
    runs.push_back({i, 1, place.chunk.at, end_of(place)});
  }
  return runs;
}

/// What one thread has for itself.
struct Slot {
  Compressor compressor;
  std::vector<std::byte> stored;
  std::vector<std::byte> plain;  // of chunks that are only checked
};

/// One call of read_chunks(). Its threads write to outcomes and memory of their own chunks.
class ChunkReading {
 public:
  ChunkReading(Store& store, std::span<const WantedChunk> wanted, unsigned slots)
      : store_(store),
        wanted_(wanted),
        order_(in_order_of_packs(wanted)),
        slots_(slots),
        outcomes_(wanted.size()) {}

  std::vector<ChunkOutcome> run(Workers& workers) {
    const auto runs = runs_of(wanted_, order_);
    workers.for_each(runs.size(), [&](std::size_t i, unsigned slot) {
      announce(runs, i + kRunsAhead);
      read(runs[i], slots_[slot]);
    });
    return std::move(outcomes_);
  }

 private:
  [[nodiscard]] std::string name_of(const Run& run) const {
    return pack_name(wanted_[order_[run.first]].place.pack);
  }

  /// Tells the store of the runs before `end`, each once.
  void announce(const std::vector<Run>& runs, std::size_t end) {
    end = std::min(end, runs.size());
    for (auto next = announced_.load(); next < end;) {
      if (!announced_.compare_exchange_weak(next, next + 1)) continue;
      store_.read_soon(name_of(runs[next]), runs[next].begin, runs[next].end - runs[next].begin);
      ++next;
    }
  }

  void read(const Run& run, Slot& slot) {
    const auto name = name_of(run);
    slot.stored.resize(run.end - run.begin);
    std::optional<Error> failed;
    std::size_t there = 0;
    try {
      there = store_.read(name, run.begin, slot.stored);
    } catch (const Error& e) {
      if (is_store_failure(e.code())) throw;
      failed = e;
    }
    const auto stored = std::span(slot.stored).first(there);
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      auto& outcome = outcomes_[order_[i]];
      const auto& chunk = wanted_[order_[i]];
      if (failed) {
        outcome.failed = failed;
      } else if (end_of(chunk.place) - run.begin > there) {
        outcome.failed = Error(Code::corrupt, fmt::format("{}: it is cut off", name));
      } else {
        const auto from = chunk.place.chunk.at - run.begin;
        decode(name, chunk, stored.subspan(from, chunk.place.chunk.stored), slot, outcome);
      }
    }
  }

  static void decode(const std::string& name, const WantedChunk& chunk,
                     std::span<const std::byte> stored, Slot& slot, ChunkOutcome& outcome) {
    auto into = chunk.into;
    if (into.empty()) {
      slot.plain.resize(chunk.place.chunk.bytes);
      into = slot.plain;
    }
    try {
      decode_chunk(slot.compressor, chunk.place.chunk, stored, into);
      outcome.digest = digest_of(into);
    } catch (const Error& e) {
      outcome.failed = e.within(name);
    }
  }

  Store& store_;
  const std::span<const WantedChunk> wanted_;
  const std::vector<std::size_t> order_;
  std::vector<Slot> slots_;
  std::vector<ChunkOutcome> outcomes_;
  std::atomic<std::size_t> announced_{0};
};

}  // namespace

std::vector<ChunkOutcome> read_chunks(Store& store, Workers& workers,
                                      std::span<const WantedChunk> wanted) {
  for (const auto& chunk : wanted) {
    if (!chunk.into.empty() && chunk.into.size() != chunk.place.chunk.bytes) {
      throw Error(Code::bad_request, fmt::format("a chunk of {} bytes does not fit into {}",
                                                 chunk.place.chunk.bytes, chunk.into.size()));
    }
  }
  return ChunkReading(store, wanted, workers.slots()).run(workers);
}

}  // namespace cardswap::store
