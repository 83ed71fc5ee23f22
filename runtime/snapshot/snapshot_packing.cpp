#include "runtime/snapshot/snapshot_packing.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "migrator/base/error.h"
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

}  // namespace

SnapshotPacking::SnapshotPacking(store::Store& into, SnapshotLabels labels)
    : into_(into),
      labels_(std::move(labels)),
      workers_(store::Workers::default_threads(), store::WorkPriority::background) {}

SnapshotPacking::~SnapshotPacking() = default;

void SnapshotPacking::open_writer(const Layout& layout, std::uint64_t chunk_bytes) {
  writer_.reset();  // its intent has the name of the next one's
  parent_ = parent_of(into_, labels_);
  parent_failed_.reset();
  writer_ = begin_snapshot(into_, catalog_,
                           {.job = labels_.job,
                            .layout = layout,
                            .chunk_bytes = static_cast<std::uint32_t>(chunk_bytes),
                            .writer = labels_.writer,
                            .parent = parent_,
                            .workers = &workers_},
                           parent_failed_);
}

std::vector<std::optional<Digest>> SnapshotPacking::begin(const Layout& layout,
                                                          std::uint64_t chunk_bytes) {
  try {
    open_writer(layout, chunk_bytes);
  } catch (const Error&) {  // pack() tries once more, and tells why
    return {};
  }
  std::vector<std::optional<Digest>> parents;
  for (const auto& chunk : cut_into_chunks(layout, chunk_bytes)) {
    parents.push_back(writer_->parent_digest(chunk.region, chunk.offset / chunk_bytes));
  }
  return parents;
}

/// Gives the writer all chunks of the state, and takes their digests. A chunk whose digest is that
/// of the parent's chunk at its place is taken over from there (docs/decisions/030).
void SnapshotPacking::give_chunks(const CapturedState& state,
                                  const std::function<void()>& advanced) {
  const auto chunks = cut_into_chunks(state.view.layout, state.chunk_bytes);
  const auto index_of = [&](std::size_t i) { return chunks[i].offset / state.chunk_bytes; };
  std::vector<bool> is_elsewhere(chunks.size());
  for (const auto chunk : state.of_the_parent) {
    is_elsewhere.at(static_cast<std::size_t>(chunk)) = true;
  }
  digests_.assign(chunks.size(), Digest{});
  std::vector<std::optional<Digest>> parents(kChunksAtOnce);
  std::vector<store::GivenChunk> changed;
  for (std::size_t first = 0; first < chunks.size(); first += kChunksAtOnce) {
    const auto count = std::min(kChunksAtOnce, chunks.size() - first);
    for (std::size_t i = first; i < first + count; ++i) {
      parents[i - first] = writer_->parent_digest(chunks[i].region, index_of(i));
    }
    workers_.for_each(count, [&](std::size_t item, unsigned) {
      const auto i = first + item;
      // Without one the state digest is another: that is found before anything is published.
      digests_[i] = is_elsewhere[i] ? parents[item].value_or(Digest{})
                                    : digest_of(range_of(state.view, chunks[i]).bytes);
    });
    changed.clear();
    for (std::size_t i = first; i < first + count; ++i) {
      if (parents[i - first] == digests_[i]) {
        writer_->keep(chunks[i].region, index_of(i));
      } else {
        changed.push_back({chunks[i].region, index_of(i), range_of(state.view, chunks[i]).bytes});
      }
    }
    writer_->add_all(changed);
    for (std::size_t i = 0; advanced && i < count; ++i) advanced();
  }
}

store::SnapshotFacts SnapshotPacking::facts_of(const CapturedState& state) const {
  store::SnapshotFacts facts;
  facts.branch = labels_.branch;
  // The snapshot of another job, or a pruned one.
  if (!parent_ && !labels_.restored_from.empty()) {
    facts.further_parents = {store::object_id_from(labels_.restored_from)};
  }
  facts.step = state.step;
  facts.epoch = labels_.epoch;
  facts.state_digest = state.state_digest;
  facts.created_s = now_s();
  facts.tensors = tensors::tensors_of(state.view.layout);
  if (facts.tensors.size() > kTensorsMax) facts.tensors.clear();
  facts.metrics = state.notes;
  facts.program = labels_.program;
  facts.origin = labels_.origin;
  facts.run = labels_.run;
  return facts;
}

PackedSnapshot SnapshotPacking::pack(const CapturedState& state,
                                     const std::function<void()>& advanced) {
  if (!writer_) open_writer(state.view.layout, state.chunk_bytes);
  give_chunks(state, advanced);
  writer_->add_values(state.values);
  writer_->add_digests(digests_);
  if (data::state_digest_of(state.view.layout, digests_, digest_of(state.values)) !=
      state.state_digest) {
    throw Error(Code::digest_mismatch,
                "the state changed after its source had verified it, on its way to the store");
  }
  if (advanced) advanced();
  PackedSnapshot packed;
  packed.parent_failed = parent_failed_;
  packed.ref = writer_->commit(facts_of(state));
  packed.cost = writer_->cost();
  if (labels_.tag.empty()) return packed;
  try {
    store::put_tag(into_, labels_.job, {labels_.tag, packed.ref.number});
  } catch (const Error& error) {
    packed.tag_failed = error;
  }
  return packed;
}

PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                             const SnapshotLabels& labels, const std::function<void()>& advanced) {
  SnapshotPacking packing(into, labels);
  (void)packing.begin(state.view.layout, state.chunk_bytes);
  return packing.pack(state, advanced);
}

}  // namespace cardswap
