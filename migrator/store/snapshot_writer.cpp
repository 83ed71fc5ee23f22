#include "migrator/store/snapshot_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/store/chunk_intake.h"
#include "migrator/store/epoch_claims.h"
#include "migrator/store/intent.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack_put.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

/// Draws the number that makes the names of this snapshot's objects new ones.
std::uint64_t fresh_salt() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

}  // namespace

/// The state of an unfinished snapshot.
struct SnapshotWriter::State {
  State(Store& store_, PackCatalog& catalog_, SnapshotStart start_)
      : store(store_),
        catalog(catalog_),
        start(std::move(start_)),
        intent(store, start.job, start.writer),
        salt(fresh_salt()),
        intake(store, catalog, trashed, cost, salt, start.compress, start.workers) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() = default;

  void scan_store();
  void read_parent();
  [[nodiscard]] const Node* parent_node(RegionId region) const;
  [[nodiscard]] RegionChunks& of(RegionId region, std::uint64_t index);
  void read_parent_digests();
  [[nodiscard]] RegionChunks take_bytes(std::span<const std::byte> bytes);
  void put(const std::string& name, std::span<const std::byte> bytes);
  [[nodiscard]] ObjectId put_node(Node& node, std::optional<RegionId> region);
  [[nodiscard]] ObjectId put_manifest(const SnapshotFacts& facts);
  void check_complete() const;
  void check_still_ours(const SnapshotFacts& facts);

  Store& store;
  PackCatalog& catalog;
  const SnapshotStart start;
  Intent intent;
  const std::uint64_t salt;
  std::uint64_t number = 0;
  std::set<std::string> trashed;
  std::optional<Manifest> parent;
  std::vector<Node> parent_nodes;
  std::vector<std::optional<RegionId>> kept;  // one a region of this: which the parent's it was
  std::vector<RegionChunks> regions;
  std::optional<RegionChunks> values;
  std::optional<RegionChunks> digests;
  std::vector<Digest> parent_digests;     // of all chunks of the parent; empty: not known
  std::vector<std::size_t> parent_first;  // of these, one a region of the parent's
  SnapshotCost cost;
  ChunkIntake intake;  // the last member: its end waits for a thread that uses the store
};

/// Reads the store after the intent was made: a later prune sees the intent, and objects that were
/// put into trash before are seen here.
void SnapshotWriter::State::scan_store() {
  trashed = trashed_in(store);
  for (const auto& name : list_all(store, refs_prefix(start.job))) {
    number = std::max(number, number_in_name(name).value_or(0));
  }
  ++number;
  catalog.refresh(store);
}

void SnapshotWriter::State::read_parent() {
  kept.resize(start.layout.regions().size());
  if (!start.parent || trashed.contains(ref_name(start.job, start.parent->number))) return;
  auto manifest = get_manifest(store, start.parent->manifest);
  if (manifest.chunk_bytes == start.chunk_bytes) {
    for (const auto& node : manifest.nodes) parent_nodes.push_back(get_node(store, node));
    kept = kept_regions(manifest.layout, start.layout);
  }
  parent = std::move(manifest);
  read_parent_digests();
}

/// Nothing depends on them but how fast the next snapshot is: nothing fails because they cannot be
/// read.
void SnapshotWriter::State::read_parent_digests() {
  if (parent_nodes.empty() || !parent->digests) return;
  try {
    Compressor compressor;
    const SnapshotReader reader(store, catalog, start.parent->manifest, *parent, parent_nodes);
    parent_digests = reader.recorded_digests(compressor);
  } catch (const Error& e) {
    if (is_store_failure(e.code())) throw;
  }
  if (parent_digests.empty()) return;
  std::size_t first = 0;
  for (const auto& node : parent_nodes) {
    parent_first.push_back(first);
    first += node.chunks.size();
  }
}

const Node* SnapshotWriter::State::parent_node(RegionId region) const {
  const auto index = static_cast<std::size_t>(region);
  if (index >= kept.size() || !kept[index]) return nullptr;
  return &parent_nodes[static_cast<std::size_t>(*kept[index])];
}

RegionChunks& SnapshotWriter::State::of(RegionId region, std::uint64_t index) {
  const auto at = static_cast<std::size_t>(region);
  if (at >= regions.size() || index >= regions[at].given.size()) {
    throw Error(Code::bad_request, fmt::format("region {} has no chunk {}", at, index));
  }
  if (regions[at].given[index]) {
    throw Error(Code::bad_request, fmt::format("chunk {} of region {} came twice", index,
                                               start.layout.regions()[at].name));
  }
  return regions[at];
}

/// Takes bytes that are no region's.
RegionChunks SnapshotWriter::State::take_bytes(std::span<const std::byte> bytes) {
  RegionChunks chunks(bytes.size(), start.chunk_bytes, 1);
  std::vector<IncomingChunk> incoming;
  for (std::size_t i = 0; i < chunks.given.size(); ++i) {
    const auto size = chunk_size(chunks.node, i);
    incoming.push_back({&chunks, i, bytes.subspan(i * chunks.node.chunk_bytes, size)});
  }
  intake.take(incoming);
  return chunks;
}

/// An object that exists already is used, unless a prune is about to remove it.
void SnapshotWriter::State::put(const std::string& name, std::span<const std::byte> bytes) {
  if (store.put_new(name, bytes) == PutResult::created) {
    cost.written_bytes += bytes.size();
  } else if (trashed = trashed_in(store); trashed.contains(name)) {
    throw Error(Code::refused, fmt::format("{}: a prune is about to remove it", name),
                "take the snapshot again: the next one does not need it");
  }
  read_back(store, name, bytes);
}

/// If the parent has an equal node it is used. Otherwise the node gets this writer's salt, so that
/// it never has the name of a node that a slow prune is still about to remove.
ObjectId SnapshotWriter::State::put_node(Node& node, std::optional<RegionId> region) {
  if (const auto* before = region ? parent_node(*region) : nullptr;
      before != nullptr && before->chunks == node.chunks) {
    return parent->nodes[static_cast<std::size_t>(*kept[static_cast<std::size_t>(*region)])];
  }
  node.salt = static_cast<std::uint32_t>(salt);
  const auto bytes = encode_node(node);
  const auto id = id_of(bytes);
  put(node_name(id), bytes);
  return id;
}

ObjectId SnapshotWriter::State::put_manifest(const SnapshotFacts& facts) {
  Manifest manifest;
  manifest.job = start.job;
  manifest.writer = fmt::format("{}-{:016x}", start.writer, salt);
  manifest.branch = facts.branch;
  manifest.step = facts.step;
  manifest.epoch = facts.epoch;
  if (parent) manifest.parents.push_back(start.parent->manifest);
  manifest.parents.insert(manifest.parents.end(), facts.further_parents.begin(),
                          facts.further_parents.end());
  manifest.created_s = facts.created_s;
  manifest.chunk_bytes = start.chunk_bytes;
  manifest.layout = start.layout;
  for (std::size_t i = 0; i < regions.size(); ++i) {
    manifest.nodes.push_back(put_node(regions[i].node, static_cast<RegionId>(i)));
  }
  manifest.tensors = facts.tensors;
  manifest.values = put_node(values->node, std::nullopt);
  manifest.value_bytes = values->node.bytes;
  if (digests) manifest.digests = put_node(digests->node, std::nullopt);
  manifest.state_digest = facts.state_digest;
  manifest.audits = facts.audits;
  manifest.replay_class = facts.replay_class;
  manifest.program = facts.program;
  manifest.metrics = facts.metrics;
  manifest.origin = facts.origin;
  manifest.run = facts.run;
  const auto bytes = encode_manifest(manifest);
  const auto id = id_of(bytes);
  put(manifest_name(id), bytes);
  return id;
}

void SnapshotWriter::State::check_complete() const {
  if (!values) throw Error(Code::bad_request, "a snapshot without its values");
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const auto missing = std::ranges::find(regions[i].given, false);
    if (missing == regions[i].given.end()) continue;
    throw Error(Code::bad_request,
                fmt::format("chunk {} of region {} is missing", missing - regions[i].given.begin(),
                            start.layout.regions()[i].name));
  }
}

void SnapshotWriter::State::check_still_ours(const SnapshotFacts& facts) {
  if (!intent.is_there()) {
    throw Error(Code::refused,
                intent.name() + ": its intent was removed, so a prune may have removed its objects",
                "take the snapshot again");
  }
  claim_epoch(store, {start.job, facts.run, facts.epoch, facts.origin.host});
}

SnapshotWriter::SnapshotWriter(Store& store, PackCatalog& catalog, SnapshotStart start)
    : state_(std::make_unique<State>(store, catalog, std::move(start))) {
  const auto& wanted = state_->start;
  if (!is_label(wanted.job)) throw Error(Code::bad_request, "the name of the job is not valid");
  if (wanted.chunk_bytes > kStoreChunkBytesMax) {
    throw Error(Code::bad_request, fmt::format("{} bytes are not a chunk", wanted.chunk_bytes));
  }
  (void)cut_into_chunks(Layout(), wanted.chunk_bytes);  // says what a chunk size is
  for (const auto& region : wanted.layout.regions()) {
    state_->regions.emplace_back(region.bytes, wanted.chunk_bytes, element_bytes(region.dtype));
  }
  state_->scan_store();
  state_->read_parent();
}

SnapshotWriter::~SnapshotWriter() = default;

bool SnapshotWriter::may_keep(RegionId region, std::uint64_t index) const {
  const auto* node = state_->parent_node(region);
  return node != nullptr && index < node->chunks.size() &&
         state_->intake.is_there(node->chunks[index]);
}

void SnapshotWriter::keep(RegionId region, std::uint64_t index) {
  auto& chunks = state_->of(region, index);
  if (!may_keep(region, index)) {
    throw Error(Code::bad_request,
                fmt::format("chunk {} cannot be taken over from the parent", index));
  }
  chunks.node.chunks[index] = state_->parent_node(region)->chunks[index];
  chunks.given[index] = true;
  state_->cost.kept_bytes += chunk_size(chunks.node, index);
}

void SnapshotWriter::add(RegionId region, std::uint64_t index, std::span<const std::byte> bytes) {
  const GivenChunk one{region, index, bytes};
  add_all({&one, 1});
}

void SnapshotWriter::add_all(std::span<const GivenChunk> chunks) {
  std::vector<IncomingChunk> incoming;
  incoming.reserve(chunks.size());
  std::uint64_t added = 0;
  for (const auto& chunk : chunks) {
    incoming.push_back({&state_->of(chunk.region, chunk.index), chunk.index, chunk.bytes});
    added += chunk.bytes.size();
  }
  state_->intake.take(incoming);
  state_->cost.added_bytes += added;
}

void SnapshotWriter::add_values(std::span<const std::byte> bytes) {
  if (state_->values) throw Error(Code::bad_request, "the values came twice");
  state_->values = state_->take_bytes(bytes);
  state_->cost.added_bytes += bytes.size();
}

std::optional<Digest> SnapshotWriter::parent_digest(RegionId region, std::uint64_t index) const {
  if (state_->parent_digests.empty() || !may_keep(region, index)) return std::nullopt;
  const auto at = static_cast<std::size_t>(*state_->kept[static_cast<std::size_t>(region)]);
  return state_->parent_digests[state_->parent_first[at] + index];
}

void SnapshotWriter::add_digests(std::span<const Digest> digests) {
  std::size_t count = 0;
  for (const auto& region : state_->regions) count += region.given.size();
  if (state_->digests) throw Error(Code::bad_request, "the digests came twice");
  if (digests.size() != count) {
    throw Error(Code::bad_request, fmt::format("{} digests of {} chunks", digests.size(), count));
  }
  const auto new_bytes = state_->cost.new_bytes;  // these are none of the state
  state_->digests = state_->take_bytes(std::as_bytes(digests));
  state_->cost.new_bytes = new_bytes;
}

Ref SnapshotWriter::commit(const SnapshotFacts& facts) {
  auto& state = *state_;
  state.check_complete();
  state.intake.finish();
  const Ref ref{state.start.job, state.number, state.put_manifest(facts), facts.branch, facts.step,
                facts.epoch,     facts.run};
  state.check_still_ours(facts);
  const auto name = ref_name(ref.job, ref.number);
  const auto bytes = encode_ref(ref);
  if (state.store.put_new(name, bytes) == PutResult::exists) {
    throw Error(Code::conflict, fmt::format("{}: another writer published it", name));
  }
  state.cost.written_bytes += bytes.size();
  state.intent.end();
  return ref;
}

const SnapshotCost& SnapshotWriter::cost() const { return state_->cost; }

}  // namespace cardswap::store
