#include "runtime/keeper/snapshot_packing.h"

#include <chrono>
#include <optional>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/tensors/tensor_table.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {
namespace {

/// With more, a manifest could become too long; a reader then finds regions only.
constexpr std::size_t kTensorsMax = 50'000;

std::int64_t now_s() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock::now().time_since_epoch())
      .count();
}

/// The latest snapshot of the job; nullopt: it has none.
std::optional<store::Ref> latest_of(store::Store& in, const std::string& job) {
  auto list = store::refs_of(in, job);
  if (list.refs.empty()) return std::nullopt;
  return std::move(list.refs.back());
}

}  // namespace

PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                             const SnapshotLabels& labels) {
  store::PackCatalog catalog;
  catalog.refresh(into);
  store::SnapshotWriter writer(into, catalog,
                               {.job = labels.job,
                                .layout = state.view.layout,
                                .chunk_bytes = store::kStoreChunkBytesMax,
                                .writer = labels.writer,
                                .parent = latest_of(into, labels.job)});
  std::vector<Digest> digests;
  for (const auto& chunk : cut_into_chunks(state.view.layout, store::kStoreChunkBytesMax)) {
    const auto bytes = range_of(state.view, chunk).bytes;
    digests.push_back(digest_of(bytes));
    writer.add(chunk.region, chunk.offset / store::kStoreChunkBytesMax, bytes);
  }
  writer.add_values(state.values);
  if (data::root_of(state.view.layout, digests, digest_of(state.values)) != state.root) {
    throw Error(Code::digest_mismatch,
                "the state changed after its source had verified it, on its way to the store");
  }
  store::SnapshotFacts facts;
  facts.step = state.step;
  facts.epoch = labels.epoch;
  facts.root = state.root;
  facts.created_s = now_s();
  facts.tensors = tensors::tensors_of(state.view.layout);
  if (facts.tensors.size() > kTensorsMax) facts.tensors.clear();
  facts.program = labels.program;
  facts.origin = labels.origin;
  PackedSnapshot packed{writer.commit(facts), {}};
  packed.cost = writer.cost();
  if (!labels.tag.empty()) store::put_tag(into, labels.job, {labels.tag, packed.ref.number});
  return packed;
}

}  // namespace cardswap
