#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/snapshot_writer.h"
#include "migrator/store/store_file.h"
#include "migrator/wire/data_messages.h"

/// A job's state small enough to be snapped a thousand times, and the verbs of a test about it.
namespace cardswap::store::test {

inline constexpr std::uint32_t kSampleChunk = 4096;

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// Floats as a training has them: alike in their exponents, noise in the rest.
inline std::vector<std::byte> weights(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<std::byte> out(bytes);
  for (std::size_t i = 0; i + sizeof(float) <= bytes; i += sizeof(float)) {
    const float value = normal(random);
    std::memcpy(&out[i], &value, sizeof(value));
  }
  return out;
}

/// What a job is at a step.
struct State {
  Layout layout;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte> values;
  std::uint64_t step = 0;

  [[nodiscard]] std::span<const std::byte> chunk(const ChunkSpan& at) const {
    return std::span(memory[static_cast<std::size_t>(at.region)]).subspan(at.offset, at.bytes);
  }
  [[nodiscard]] Digest state_digest() const {
    std::vector<Digest> digests;
    for (const auto& at : cut_into_chunks(layout, kSampleChunk))
      digests.push_back(digest_of(chunk(at)));
    return data::state_digest_of(layout, digests, digest_of(values));
  }
};

/// Three regions: one that a step rewrites, one that it leaves, an empty one.
inline State state_at(std::uint64_t step) {
  State state;
  state.step = step;
  state.layout = Layout({{"model/w", "Float", "[1250, 2]", 10'000, 0},
                         {"model/frozen", "BFloat16", "[4096]", 8'192, 0},
                         {"model/none", "Float", "[0]", 0, 0}});
  state.memory = {weights(10'000, static_cast<unsigned>(step)), weights(8'192, 7), {}};
  state.values = bytes_of("step " + std::to_string(step));
  return state;
}

inline SnapshotFacts facts_of(const State& state, std::uint64_t epoch = 1) {
  SnapshotFacts facts;
  facts.step = state.step;
  facts.epoch = epoch;
  facts.state_digest = state.state_digest();
  facts.created_s = 1'700'000'000 + static_cast<std::int64_t>(state.step);
  facts.tensors = {{"model/w", RegionId{0}, 0, "Float", {1250, 2}, {2, 1}, ""}};
  facts.metrics = {{"loss", 2.25}};
  facts.program.argv = {"train", "--lr", "0.1"};
  return facts;
}

/// The newest snapshot of a job, or none.
inline std::optional<Ref> latest(Store& store, const std::string& job = "gpt") {
  auto list = refs_of(store, job);
  if (list.refs.empty()) return std::nullopt;
  return list.refs.back();
}

/// Gives the writer all chunks: those that are as in the parent are kept.
inline void give(SnapshotWriter& writer, const State& state, const State* before = nullptr) {
  for (const auto& at : cut_into_chunks(state.layout, kSampleChunk)) {
    const auto index = at.offset / kSampleChunk;
    if (before != nullptr && std::ranges::equal(before->chunk(at), state.chunk(at)) &&
        writer.may_keep(at.region, index)) {
      writer.keep(at.region, index);
    } else {
      writer.add(at.region, index, state.chunk(at));
    }
  }
  writer.add_values(state.values);
}

/// Saves the state as the job's next snapshot, after the newest one.
inline Ref save(Store& store, const State& state, const std::string& writer = "w",
                const State* before = nullptr) {
  PackCatalog catalog;
  SnapshotWriter out(store, catalog,
                     {.job = "gpt",
                      .layout = state.layout,
                      .chunk_bytes = kSampleChunk,
                      .writer = writer,
                      .parent = latest(store)});
  give(out, state, before);
  return out.commit(facts_of(state));
}

/// Whether the snapshot is the state, to the last byte.
inline bool holds(Store& store, const Ref& ref, const State& state) {
  PackCatalog catalog;
  catalog.refresh(store);
  const SnapshotReader reader(store, catalog, ref);
  Compressor compressor;
  for (std::size_t i = 0; i < state.memory.size(); ++i) {
    std::vector<std::byte> out(state.memory[i].size());
    reader.read(compressor, static_cast<RegionId>(i), 0, out);
    if (out != state.memory[i]) return false;
  }
  return reader.values(compressor) == state.values &&
         reader.manifest().state_digest == state.state_digest() && reader.verify().empty();
}

}  // namespace cardswap::store::test
