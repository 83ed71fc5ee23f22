#include "migrator/store/snapshot_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/mutex.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/wire/data_messages.h"

namespace cardswap::store {
namespace {

constexpr int kPlacesMax = 4;  // of one chunk, one after the other

std::vector<Node> nodes_of(Store& store, const Manifest& manifest) {
  std::vector<Node> nodes;
  nodes.reserve(manifest.nodes.size());
  for (const auto& id : manifest.nodes) nodes.push_back(get_node(store, id));
  return nodes;
}

/// Throws Error{corrupt} unless the node is the one of so many bytes.
void check_node(const ObjectId& id, const Node& node, std::uint64_t bytes,
                std::uint32_t chunk_bytes) {
  if (node.bytes == bytes && node.chunk_bytes == chunk_bytes) return;
  throw Error(Code::corrupt, fmt::format("{}: it is of another region", node_name(id)));
}

/// Whether a chunk is among the `share` that is read: by its id, the same ones each time.
bool is_sampled(const ObjectId& id, double share) {
  std::uint32_t first = 0;
  std::memcpy(&first, id.bytes.data(), sizeof(first));
  return static_cast<double>(first) < share * 4294967296.0;
}

}  // namespace

/// The packs as they are once one of the catalog was found gone.
struct SnapshotReader::Later {
  Mutex mutex;
  std::optional<PackCatalog> catalog CARDSWAP_GUARDED_BY(mutex);
};

SnapshotReader::SnapshotReader(Store& store, const PackCatalog& catalog, const ObjectId& manifest)
    : store_(store),
      catalog_(catalog),
      id_(manifest),
      manifest_(get_manifest(store, manifest)),
      nodes_(nodes_of(store, manifest_)),
      values_(get_node(store, manifest_.values)),
      later_(std::make_unique<Later>()) {
  check_nodes();
}

SnapshotReader::SnapshotReader(Store& store, const PackCatalog& catalog, const ObjectId& id,
                               Manifest manifest, std::vector<Node> nodes)
    : store_(store),
      catalog_(catalog),
      id_(id),
      manifest_(std::move(manifest)),
      nodes_(std::move(nodes)),
      values_(get_node(store, manifest_.values)),
      later_(std::make_unique<Later>()) {
  check_nodes();
}

SnapshotReader::SnapshotReader(Store& store, const PackCatalog& catalog, const Ref& ref)
    : SnapshotReader(store, catalog, ref.manifest) {
  if (manifest_.job != ref.job || manifest_.branch != ref.branch || manifest_.step != ref.step ||
      manifest_.epoch != ref.epoch) {
    throw Error(Code::corrupt, fmt::format("{}: it is not of the snapshot that names it",
                                           manifest_name(ref.manifest)));
  }
}

SnapshotReader::~SnapshotReader() = default;

void SnapshotReader::check_nodes() const {
  const auto& regions = manifest_.layout.regions();
  if (nodes_.size() != regions.size()) {
    throw Error(Code::bad_request,
                fmt::format("{} nodes of {} regions", nodes_.size(), regions.size()));
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    check_node(manifest_.nodes[i], nodes_[i], regions[i].bytes, manifest_.chunk_bytes);
  }
  check_node(manifest_.values, values_, manifest_.value_bytes, manifest_.chunk_bytes);
}

const ObjectId& SnapshotReader::chunk_id(RegionId region, std::uint64_t index) const {
  const auto at = static_cast<std::size_t>(region);
  if (at >= nodes_.size() || index >= nodes_[at].chunks.size()) {
    throw Error(Code::bad_request, fmt::format("region {} has no chunk {}", at, index));
  }
  return nodes_[at].chunks[index];
}

/// Another place than that in the pack that is gone; null: than none.
std::optional<PackCatalog::Place> SnapshotReader::place_but(const ObjectId* gone,
                                                            const ObjectId& id) const {
  const MutexLock lock(later_->mutex);
  auto& catalog = later_->catalog;
  if (!catalog || (gone != nullptr && catalog->has_pack(*gone))) {
    if (!catalog) catalog.emplace();
    try {
      catalog->refresh(store_);
    } catch (...) {
      catalog.reset();  // it may lack packs that the store has
      throw;
    }
  }
  const auto* place = catalog->find(id);
  if (place == nullptr || (gone != nullptr && place->pack == *gone)) return std::nullopt;
  return *place;
}

PackCatalog::Place SnapshotReader::place_of(const ObjectId& id, std::size_t bytes) const {
  const auto* known = catalog_.find(id);
  const auto place = known == nullptr ? place_but(nullptr, id) : *known;
  if (!place) {
    throw Error(Code::not_found, fmt::format("chunk {} is in no pack", to_string(id)));
  }
  if (place->chunk.bytes != bytes) {
    throw Error(Code::corrupt, fmt::format("{}: chunk {} has another size", pack_name(place->pack),
                                           to_string(id)));
  }
  return *place;
}

void SnapshotReader::read_chunk(Compressor& compressor, const ObjectId& id,
                                std::span<std::byte> into) const {
  auto place = place_of(id, into.size());
  for (int places = 1;; ++places) {
    try {
      return read_chunk_at(place, compressor, into);
    } catch (const Error& e) {
      if (e.code() != Code::not_found || places == kPlacesMax) throw;
      const auto other = place_but(&place.pack, id);
      if (!other || other->chunk.bytes != into.size()) throw;
      place = *other;
    }
  }
}

void SnapshotReader::read_chunk_at(const PackCatalog::Place& place, Compressor& compressor,
                                   std::span<std::byte> into) const {
  const auto name = pack_name(place.pack);
  std::vector<std::byte> stored(place.chunk.stored);
  if (store_.read(name, place.chunk.at, stored) != stored.size()) {
    throw Error(Code::corrupt, fmt::format("{}: it is cut off", name));
  }
  try {
    decode_chunk(compressor, place.chunk, stored, into);
  } catch (const Error& e) {
    throw e.within(name);
  }
}

std::vector<ChunkOutcome> SnapshotReader::read_wanted(Workers& workers,
                                                      std::vector<WantedChunk> wanted) const {
  auto outcomes = read_chunks(store_, workers, wanted);
  for (int places = 1; places < kPlacesMax; ++places) {
    std::vector<std::size_t> again;
    std::vector<WantedChunk> elsewhere;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      auto& at = wanted[i].place;
      if (!outcomes[i].failed || outcomes[i].failed->code() != Code::not_found) continue;
      const auto other = place_but(&at.pack, at.chunk.id);
      if (!other || other->chunk.bytes != at.chunk.bytes) continue;
      at = *other;
      again.push_back(i);
      elsewhere.push_back(wanted[i]);
    }
    if (again.empty()) break;
    auto read = read_chunks(store_, workers, elsewhere);
    for (std::size_t i = 0; i < again.size(); ++i) outcomes[again[i]] = std::move(read[i]);
  }
  return outcomes;
}

void SnapshotReader::read(Compressor& compressor, RegionId region, std::uint64_t offset,
                          std::span<std::byte> into) const {
  const auto at = static_cast<std::size_t>(region);
  if (at >= nodes_.size() || offset > nodes_[at].bytes || into.size() > nodes_[at].bytes - offset) {
    throw Error(Code::bad_request,
                fmt::format("region {} has no {} bytes at {}", at, into.size(), offset));
  }
  const auto& node = nodes_[at];
  std::vector<std::byte> whole;
  while (!into.empty()) {
    const auto index = offset / node.chunk_bytes;
    const auto size = chunk_size(node, index);
    const auto skip = offset % node.chunk_bytes;
    const auto taken = std::min<std::size_t>(size - skip, into.size());
    if (taken == size) {
      read_chunk(compressor, node.chunks[index], into.first(size));
    } else {
      whole.resize(size);
      read_chunk(compressor, node.chunks[index], whole);
      std::ranges::copy(std::span(whole).subspan(skip, taken), into.begin());
    }
    into = into.subspan(taken);
    offset += taken;
  }
}

std::vector<Digest> SnapshotReader::read_all(Workers& workers,
                                             std::span<const std::span<std::byte>> memory) const {
  if (memory.size() != nodes_.size()) {
    throw Error(Code::bad_request,
                fmt::format("memory of {} regions instead of {}", memory.size(), nodes_.size()));
  }
  std::vector<WantedChunk> wanted;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    if (memory[i].size() != node.bytes) {
      throw Error(Code::bad_request, fmt::format("region {} has {} bytes, its memory {}", i,
                                                 node.bytes, memory[i].size()));
    }
    for (std::size_t c = 0; c < node.chunks.size(); ++c) {
      const auto into = memory[i].subspan(c * node.chunk_bytes, chunk_size(node, c));
      wanted.push_back({place_of(node.chunks[c], into.size()), into});
    }
  }
  std::vector<Digest> digests;
  digests.reserve(wanted.size());
  for (auto& outcome : read_wanted(workers, std::move(wanted))) {
    if (outcome.failed) throw std::move(*outcome.failed);
    digests.push_back(outcome.digest);
  }
  return digests;
}

std::vector<std::byte> SnapshotReader::bytes_of(Compressor& compressor, const Node& node) const {
  std::vector<std::byte> bytes(node.bytes);
  for (std::size_t i = 0; i < node.chunks.size(); ++i) {
    read_chunk(compressor, node.chunks[i],
               std::span(bytes).subspan(i * node.chunk_bytes, chunk_size(node, i)));
  }
  return bytes;
}

std::vector<std::byte> SnapshotReader::values(Compressor& compressor) const {
  return bytes_of(compressor, values_);
}

std::vector<Digest> SnapshotReader::recorded_digests(Compressor& compressor) const {
  std::size_t count = 0;
  for (const auto& node : nodes_) count += node.chunks.size();
  if (!manifest_.digests) return {};
  try {
    const auto node = get_node(store_, *manifest_.digests);
    if (node.bytes != count * sizeof(Digest)) return {};
    const auto bytes = bytes_of(compressor, node);
    std::vector<Digest> digests(count);
    std::memcpy(digests.data(), bytes.data(), bytes.size());
    return digests;
  } catch (const Error& e) {
    if (is_store_failure(e.code())) throw;
    return {};  // a prune of an earlier release does not know that somebody refers to them
  }
}

/// Reads the chunks that `shared` has not, each once. `failed` gets the reason for each of them
/// that is not whole.
void SnapshotReader::read_missing(const VerifyDepth& depth, Verification& shared,
                                  std::unordered_map<ObjectId, Error, IdHash>& failed) const {
  std::vector<WantedChunk> wanted;
  std::unordered_set<ObjectId, IdHash> seen;
  for (const auto& node : nodes_) {
    for (std::size_t c = 0; c < node.chunks.size(); ++c) {
      const auto& id = node.chunks[c];
      if (depth.share < 1 && !is_sampled(id, depth.share)) continue;
      if (shared.whole.contains(id) || !seen.insert(id).second) continue;
      try {
        wanted.push_back({place_of(id, chunk_size(node, c)), {}});
      } catch (const Error& e) {
        if (is_store_failure(e.code())) throw;
        failed.emplace(id, e);
      }
    }
  }
  auto outcomes = read_wanted(shared.workers, wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& id = wanted[i].place.chunk.id;
    if (outcomes[i].failed) {
      failed.emplace(id, std::move(*outcomes[i].failed));
    } else {
      shared.whole.emplace(id, outcomes[i].digest);
    }
  }
}

std::vector<Damage> SnapshotReader::verify(const VerifyDepth& depth, Verification* shared) const {
  if (shared == nullptr) {
    Workers none(0);
    Verification alone{none};
    return verify(depth, &alone);
  }
  std::unordered_map<ObjectId, Error, IdHash> failed;
  read_missing(depth, *shared, failed);
  std::vector<Damage> damage;
  std::vector<Digest> digests;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    for (std::size_t c = 0; c < node.chunks.size(); ++c) {
      const auto& id = node.chunks[c];
      if (depth.share < 1 && !is_sampled(id, depth.share)) continue;
      try {
        (void)place_of(id, chunk_size(node, c));  // another node may have it with its right size
        if (const auto why = failed.find(id); why != failed.end()) throw why->second;
        digests.push_back(shared->whole.at(id));
      } catch (const Error& e) {
        if (is_store_failure(e.code())) throw;
        damage.push_back(
            {fmt::format("{} chunk {}", manifest_.layout.regions()[i].name, c), e.failure()});
      }
    }
  }
  try {
    Compressor compressor;
    const auto value_bytes = values(compressor);
    if (damage.empty() && depth.share >= 1 &&
        data::state_digest_of(manifest_.layout, digests, digest_of(value_bytes)) !=
            manifest_.state_digest) {
      damage.push_back(
          {manifest_name(id_), "its bytes are whole, and are not those that were committed"});
    }
  } catch (const Error& e) {
    if (is_store_failure(e.code())) throw;
    damage.push_back({"values", e.failure()});
  }
  return damage;
}

}  // namespace cardswap::store
