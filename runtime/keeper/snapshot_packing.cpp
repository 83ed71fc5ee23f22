#include "runtime/keeper/snapshot_packing.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {
namespace {

std::int64_t now_s() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock::now().time_since_epoch())
      .count();
}

/// The snapshot after which the next one of the job comes: the newest one of its branch, or else
/// the one from which the job went on. Nullopt: the store has neither.
std::optional<store::Ref> parent_of(store::Store& in, const SnapshotLabels& labels) {
  const auto refs = store::refs_of(in, labels.job).refs;
  const auto newest_of = [&](auto is_it) -> std::optional<store::Ref> {
    const auto found = std::find_if(refs.rbegin(), refs.rend(), is_it);
    if (found == refs.rend()) return std::nullopt;
    return *found;
  };
  const auto of_branch =
      newest_of([&](const store::Ref& ref) { return ref.branch == labels.branch; });
  if (of_branch || labels.restored_from.empty()) return of_branch;
  return newest_of(
      [&](const store::Ref& ref) { return to_string(ref.manifest) == labels.restored_from; });
}

}  // namespace

PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                             const SnapshotLabels& labels) {
  store::PackCatalog catalog;
  catalog.refresh(into);
  const auto parent = parent_of(into, labels);
  store::SnapshotWriter writer(into, catalog,
                               {.job = labels.job,
                                .layout = state.view.layout,
                                .chunk_bytes = store::kStoreChunkBytesMax,
                                .writer = labels.writer,
                                .parent = parent});
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
  facts.branch = labels.branch;
  if (!parent && !labels.restored_from.empty()) {  // the snapshot of another job, or a pruned one
    facts.further_parents = {store::object_id_from(labels.restored_from)};
  }
  facts.step = state.step;
  facts.epoch = labels.epoch;
  facts.root = state.root;
  facts.created_s = now_s();
  facts.program = labels.program;
  facts.origin = labels.origin;
  PackedSnapshot packed{writer.commit(facts), {}};
  packed.cost = writer.cost();
  if (!labels.tag.empty()) store::put_tag(into, labels.job, {labels.tag, packed.ref.number});
  return packed;
}

}  // namespace cardswap
