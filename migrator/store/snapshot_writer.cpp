#include "migrator/store/snapshot_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <set>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/store/intent.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

constexpr std::uint32_t kSkipMax = 32;
constexpr std::size_t kCompareBytes = 1U << 20;

/// Whether to try to compress the next chunk of a region. After a chunk that did not become shorter
/// the next chunk is not tried, then the next two, and so on up to 32.
struct CompressionTrial {
  std::uint32_t skip = 0;
  std::uint32_t next_skip = 1;

  [[nodiscard]] bool should_try() {
    if (skip == 0) return true;
    --skip;
    return false;
  }
  void note(bool shortened) {
    next_skip = shortened ? 1 : std::min(next_skip * 2, kSkipMax);
    skip = shortened ? 0 : next_skip / 2;
  }
};

/// A region's chunks as far as they are known.
struct RegionChunks {
  Node node;
  std::vector<bool> given;
  std::uint8_t element_bytes = 1;
  CompressionTrial trial;
};

RegionChunks region_chunks(std::uint64_t bytes, std::uint32_t chunk_bytes,
                           std::uint8_t element_bytes) {
  RegionChunks chunks;
  chunks.node.bytes = bytes;
  chunks.node.chunk_bytes = chunk_bytes;
  chunks.node.chunks.resize(chunk_count(bytes, chunk_bytes));
  chunks.given.resize(chunks.node.chunks.size());
  chunks.element_bytes = element_bytes;
  return chunks;
}

/// Reads the object back and throws Error{corrupt} if it is not as it was written. It does not rely
/// on the success that the disk or the server reports.
void read_back(Store& store, const std::string& name, std::span<const std::byte> bytes) {
  const auto differs = [&] {
    return Error(Code::corrupt, fmt::format("{}: it reads back otherwise than written", name));
  };
  if (store.size_of(name) != bytes.size()) throw differs();
  std::vector<std::byte> piece(std::min(bytes.size(), kCompareBytes));
  for (std::size_t at = 0; at < bytes.size(); at += piece.size()) {
    const auto size = std::min(piece.size(), bytes.size() - at);
    if (store.read(name, at, std::span(piece).first(size)) != size ||
        std::memcmp(piece.data(), bytes.data() + at, size) != 0) {
      throw differs();
    }
  }
}

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
        pack(salt) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() = default;

  void scan_store();
  void read_parent();
  [[nodiscard]] const Node* parent_node(RegionId region) const;
  [[nodiscard]] bool is_there(const ObjectId& chunk) const;
  [[nodiscard]] RegionChunks& of(RegionId region, std::uint64_t index);
  void take(RegionChunks& chunks, std::uint64_t index, std::span<const std::byte> bytes);
  void put_pack();
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
  std::set<ObjectId> in_pack;  // chunks of the pack that is being filled
  Compressor compressor;
  PackWriter pack;
  SnapshotCost cost;
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
}

const Node* SnapshotWriter::State::parent_node(RegionId region) const {
  const auto index = static_cast<std::size_t>(region);
  if (index >= kept.size() || !kept[index]) return nullptr;
  return &parent_nodes[static_cast<std::size_t>(*kept[index])];
}

bool SnapshotWriter::State::is_there(const ObjectId& chunk) const {
  const auto* place = catalog.find(chunk);
  return place != nullptr && !trashed.contains(pack_name(place->pack));
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

void SnapshotWriter::State::take(RegionChunks& chunks, std::uint64_t index,
                                 std::span<const std::byte> bytes) {
  if (bytes.size() != chunk_size(chunks.node, index)) {
    throw Error(Code::bad_request, fmt::format("chunk {} has {} bytes instead of {}", index,
                                               bytes.size(), chunk_size(chunks.node, index)));
  }
  const auto id = id_of(bytes);
  if (!in_pack.contains(id) && !is_there(id)) {
    const bool tried = start.compress && chunks.trial.should_try();
    const auto chunk = encode_chunk(compressor, id, bytes, chunks.element_bytes, tried);
    if (tried) chunks.trial.note(chunk.ref.codec != ChunkCodec::plain);
    if (!pack.has_room_for(chunk.stored.size())) put_pack();
    pack.add(chunk);
    in_pack.insert(id);
    cost.new_bytes += bytes.size();
  }
  chunks.node.chunks[index] = id;
  chunks.given[index] = true;
}

void SnapshotWriter::State::put_pack() {
  if (pack.empty()) return;
  const auto full = pack.finish();
  in_pack.clear();
  put(pack_name(full.id), full.bytes);
  catalog.add(full.id, full.chunks);
  ++cost.packs;
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
  manifest.root = facts.root;
  manifest.audits = facts.audits;
  manifest.replay_class = facts.replay_class;
  manifest.program = facts.program;
  manifest.metrics = facts.metrics;
  manifest.origin = facts.origin;
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
  const auto fence = highest_fence(store, start.job);
  if (fence && *fence > facts.epoch) {
    throw Error(Code::conflict,
                fmt::format("job {} has epoch {} by now, not {}", start.job, *fence, facts.epoch));
  }
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
    state_->regions.push_back(
        region_chunks(region.bytes, wanted.chunk_bytes, element_bytes(region.dtype)));
  }
  state_->scan_store();
  state_->read_parent();
}

SnapshotWriter::~SnapshotWriter() = default;

bool SnapshotWriter::may_keep(RegionId region, std::uint64_t index) const {
  const auto* node = state_->parent_node(region);
  return node != nullptr && index < node->chunks.size() && state_->is_there(node->chunks[index]);
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
  state_->take(state_->of(region, index), index, bytes);
  state_->cost.added_bytes += bytes.size();
}

void SnapshotWriter::add_values(std::span<const std::byte> bytes) {
  if (state_->values) throw Error(Code::bad_request, "the values came twice");
  auto chunks = region_chunks(bytes.size(), state_->start.chunk_bytes, 1);
  for (std::size_t i = 0; i < chunks.given.size(); ++i) {
    state_->take(chunks, i, bytes.subspan(i * chunks.node.chunk_bytes, chunk_size(chunks.node, i)));
  }
  state_->cost.added_bytes += bytes.size();
  state_->values = std::move(chunks);
}

Ref SnapshotWriter::commit(const SnapshotFacts& facts) {
  auto& state = *state_;
  state.check_complete();
  state.put_pack();
  const Ref ref{state.start.job, state.number, state.put_manifest(facts),
                facts.branch,    facts.step,   facts.epoch};
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
