#include "runtime/snapshot/snapshot_packing.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/workers.h"
#include "migrator/tensors/tensor_table.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {
namespace {

/// With more, a manifest could become too long; a reader then finds regions only.
constexpr std::size_t kTensorsMax = 50'000;
/// Chunks between two words to whoever waits: of 1 MiB, a second or so where a trainer has the
/// cores.
constexpr std::size_t kChunksAtOnce = 32;

std::int64_t now_s() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock::now().time_since_epoch())
      .count();
}

/// The snapshot after which the next one of the job comes: the newest one of its branch that is
/// of its run or the one from which the job went on, or else the one from which the job went on.
/// Nullopt: the store has neither.
std::optional<store::Ref> parent_of(store::Store& in, const SnapshotLabels& labels) {
  const auto refs = store::refs_of(in, labels.job).refs;
  const auto newest_of = [&](auto is_it) -> std::optional<store::Ref> {
    const auto found = std::find_if(refs.rbegin(), refs.rend(), is_it);
    if (found == refs.rend()) return std::nullopt;
    return *found;
  };
  const auto is_origin = [&](const store::Ref& ref) {
    return to_string(ref.manifest) == labels.restored_from;
  };
  const auto of_branch = newest_of([&](const store::Ref& ref) {
    return ref.branch == labels.branch && (store::is_of_run(ref, labels.run) || is_origin(ref));
  });
  if (of_branch || labels.restored_from.empty()) return of_branch;
  return newest_of(is_origin);
}

/// Whether a parent that fails so is to be left out: it is damaged, and the new snapshot is not.
bool is_damage(Code code) {
  return code == Code::corrupt || code == Code::not_found || code == Code::protocol_mismatch;
}

/// Begins the job's next snapshot. `failed` becomes the reason if it begins without its parent.
std::unique_ptr<store::SnapshotWriter> begin_snapshot(store::Store& into,
                                                      store::PackCatalog& catalog,
                                                      store::SnapshotStart start,
                                                      std::optional<Error>& failed) {
  try {
    return std::make_unique<store::SnapshotWriter>(into, catalog, start);
  } catch (const Error& error) {
    if (!start.parent || !is_damage(error.code())) throw;
    failed = error;
  }
  start.parent.reset();
  return std::make_unique<store::SnapshotWriter>(into, catalog, std::move(start));
}

/// Gives the writer all chunks of the state, and returns their digests. A chunk whose digest is
/// that of the parent's chunk at its place is taken over from there (docs/decisions/030).
std::vector<Digest> give_chunks(store::SnapshotWriter& writer, store::Workers& workers,
                                const CapturedState& state, const std::function<void()>& advanced) {
  const auto chunks = cut_into_chunks(state.view.layout, state.chunk_bytes);
  std::vector<Digest> digests(chunks.size());
  std::vector<store::GivenChunk> changed;
  for (std::size_t first = 0; first < chunks.size(); first += kChunksAtOnce) {
    const auto count = std::min(kChunksAtOnce, chunks.size() - first);
    workers.for_each(count, [&](std::size_t item, unsigned) {
      digests[first + item] = digest_of(range_of(state.view, chunks[first + item]).bytes);
    });
    changed.clear();
    for (std::size_t i = first; i < first + count; ++i) {
      const auto index = chunks[i].offset / state.chunk_bytes;
      if (writer.parent_digest(chunks[i].region, index) == digests[i]) {
        writer.keep(chunks[i].region, index);
      } else {
        changed.push_back({chunks[i].region, index, range_of(state.view, chunks[i]).bytes});
      }
    }
    writer.add_all(changed);
    for (std::size_t i = 0; advanced && i < count; ++i) advanced();
  }
  return digests;
}

}  // namespace

PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                             const SnapshotLabels& labels, const std::function<void()>& advanced) {
  store::Workers workers(store::Workers::default_threads(), store::WorkPriority::background);
  store::PackCatalog catalog;
  const auto parent = parent_of(into, labels);
  PackedSnapshot packed;
  const auto writer = begin_snapshot(into, catalog,
                                     {.job = labels.job,
                                      .layout = state.view.layout,
                                      .chunk_bytes = static_cast<std::uint32_t>(state.chunk_bytes),
                                      .writer = labels.writer,
                                      .parent = parent,
                                      .workers = &workers},
                                     packed.parent_failed);
  const auto digests = give_chunks(*writer, workers, state, advanced);
  writer->add_values(state.values);
  writer->add_digests(digests);
  if (data::state_digest_of(state.view.layout, digests, digest_of(state.values)) !=
      state.state_digest) {
    throw Error(Code::digest_mismatch,
                "the state changed after its source had verified it, on its way to the store");
  }
  if (advanced) advanced();
  store::SnapshotFacts facts;
  facts.branch = labels.branch;
  if (!parent && !labels.restored_from.empty()) {  // the snapshot of another job, or a pruned one
    facts.further_parents = {store::object_id_from(labels.restored_from)};
  }
  facts.step = state.step;
  facts.epoch = labels.epoch;
  facts.state_digest = state.state_digest;
  facts.created_s = now_s();
  facts.tensors = tensors::tensors_of(state.view.layout);
  if (facts.tensors.size() > kTensorsMax) facts.tensors.clear();
  facts.metrics = state.notes;
  facts.program = labels.program;
  facts.origin = labels.origin;
  facts.run = labels.run;
  packed.ref = writer->commit(facts);
  packed.cost = writer->cost();
  if (labels.tag.empty()) return packed;
  try {
    store::put_tag(into, labels.job, {labels.tag, packed.ref.number});
  } catch (const Error& error) {
    packed.tag_failed = error;
  }
  return packed;
}

}  // namespace cardswap
