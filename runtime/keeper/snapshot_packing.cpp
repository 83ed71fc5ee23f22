#include "runtime/keeper/snapshot_packing.h"

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

PackedSnapshot pack_snapshot(store::Store& into, const CapturedState& state,
                             const SnapshotLabels& labels, const std::function<void()>& advanced) {
  store::PackCatalog catalog;
  catalog.refresh(into);
  PackedSnapshot packed;
  const auto writer = begin_snapshot(into, catalog,
                                     {.job = labels.job,
                                      .layout = state.view.layout,
                                      .chunk_bytes = static_cast<std::uint32_t>(state.chunk_bytes),
                                      .writer = labels.writer,
                                      .parent = latest_of(into, labels.job)},
                                     packed.parent_failed);
  std::vector<Digest> digests;
  for (const auto& chunk : cut_into_chunks(state.view.layout, state.chunk_bytes)) {
    const auto bytes = range_of(state.view, chunk).bytes;
    digests.push_back(digest_of(bytes));
    writer->add(chunk.region, chunk.offset / state.chunk_bytes, bytes);
    if (advanced) advanced();
  }
  writer->add_values(state.values);
  if (data::root_of(state.view.layout, digests, digest_of(state.values)) != state.root) {
    throw Error(Code::digest_mismatch,
                "the state changed after its source had verified it, on its way to the store");
  }
  if (advanced) advanced();
  store::SnapshotFacts facts;
  facts.step = state.step;
  facts.epoch = labels.epoch;
  facts.root = state.root;
  facts.created_s = now_s();
  facts.tensors = tensors::tensors_of(state.view.layout);
  if (facts.tensors.size() > kTensorsMax) facts.tensors.clear();
  facts.program = labels.program;
  facts.origin = labels.origin;
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
