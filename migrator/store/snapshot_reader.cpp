#include "migrator/store/snapshot_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "migrator/base/error.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/wire/data_messages.h"

namespace cardswap::store {
namespace {

/// The node of a region of so many bytes.
Node get_node_of(Store& store, const ObjectId& id, std::uint64_t bytes, std::uint32_t chunk_bytes) {
  auto node = get_node(store, id);
  if (node.bytes != bytes || node.chunk_bytes != chunk_bytes) {
    throw Error(Code::corrupt, fmt::format("{}: it is of another region", node_name(id)));
  }
  return node;
}

/// Whether a chunk is among the `share` that is read: by its id, the same ones each time.
bool is_sampled(const ObjectId& id, double share) {
  std::uint32_t first = 0;
  std::memcpy(&first, id.bytes.data(), sizeof(first));
  return static_cast<double>(first) < share * 4294967296.0;
}

}  // namespace

SnapshotReader::SnapshotReader(Store& store, const PackCatalog& catalog, const ObjectId& manifest)
    : store_(store), catalog_(catalog), id_(manifest), manifest_(get_manifest(store, manifest)) {
  for (std::size_t i = 0; i < manifest_.nodes.size(); ++i) {
    nodes_.push_back(get_node_of(store, manifest_.nodes[i], manifest_.layout.regions()[i].bytes,
                                 manifest_.chunk_bytes));
  }
  values_ = get_node_of(store, manifest_.values, manifest_.value_bytes, manifest_.chunk_bytes);
}

SnapshotReader::SnapshotReader(Store& store, const PackCatalog& catalog, const Ref& ref)
    : SnapshotReader(store, catalog, ref.manifest) {
  if (manifest_.job != ref.job || manifest_.branch != ref.branch || manifest_.step != ref.step ||
      manifest_.epoch != ref.epoch) {
    throw Error(Code::corrupt, fmt::format("{}: it is not of the snapshot that names it",
                                           manifest_name(ref.manifest)));
  }
}

const ObjectId& SnapshotReader::chunk_id(RegionId region, std::uint64_t index) const {
  const auto at = static_cast<std::size_t>(region);
  if (at >= nodes_.size() || index >= nodes_[at].chunks.size()) {
    throw Error(Code::bad_request, fmt::format("region {} has no chunk {}", at, index));
  }
  return nodes_[at].chunks[index];
}

void SnapshotReader::read_chunk(Compressor& compressor, const ObjectId& id,
                                std::span<std::byte> into) const {
  const auto* place = catalog_.find(id);
  if (place == nullptr) {
    throw Error(Code::not_found, fmt::format("chunk {} is in no pack", to_string(id)));
  }
  const auto name = pack_name(place->pack);
  if (place->chunk.bytes != into.size()) {
    throw Error(Code::corrupt, fmt::format("{}: chunk {} has another size", name, to_string(id)));
  }
  std::vector<std::byte> stored(place->chunk.stored);
  if (store_.read(name, place->chunk.at, stored) != stored.size()) {
    throw Error(Code::corrupt, fmt::format("{}: it is cut off", name));
  }
  try {
    decode_chunk(compressor, place->chunk, stored, into);
  } catch (const Error& e) {
    throw e.within(name);
  }
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

std::vector<std::byte> SnapshotReader::values(Compressor& compressor) const {
  std::vector<std::byte> bytes(values_.bytes);
  for (std::size_t i = 0; i < values_.chunks.size(); ++i) {
    read_chunk(compressor, values_.chunks[i],
               std::span(bytes).subspan(i * values_.chunk_bytes, chunk_size(values_, i)));
  }
  return bytes;
}

std::vector<Corruption> SnapshotReader::verify(const VerifyDepth& depth) const {
  std::vector<Corruption> damage;
  std::vector<Digest> digests;
  Compressor compressor;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    for (std::size_t c = 0; c < node.chunks.size(); ++c) {
      if (depth.share < 1 && !is_sampled(node.chunks[c], depth.share)) continue;
      bytes.resize(chunk_size(node, c));
      try {
        read_chunk(compressor, node.chunks[c], bytes);
        digests.push_back(digest_of(bytes));
      } catch (const Error& e) {
        if (is_store_failure(e.code())) throw;
        damage.push_back(
            {fmt::format("{} chunk {}", manifest_.layout.regions()[i].name, c), e.failure()});
      }
    }
  }
  try {
    const auto value_bytes = values(compressor);
    if (damage.empty() && depth.share >= 1 &&
        data::root_of(manifest_.layout, digests, digest_of(value_bytes)) != manifest_.root) {
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
