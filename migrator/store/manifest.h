#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"
#include "migrator/store/object_id.h"

namespace cardswap::store {

/// The most bytes of a manifest: enough for some hundred thousand tensors.
inline constexpr std::size_t kManifestBytesMax = 64U << 20;

/// A tensor of the program, and where its bytes are in a region. Used by exports, comparisons of
/// tensors and partial restores.
struct TensorEntry {
  std::string name;  ///< "model/transformer.0.qkv.weight"
  RegionId region{};
  std::uint64_t offset = 0;  ///< in bytes, from the beginning of the region
  std::string dtype;         ///< LibTorch's name, as in Region
  std::vector<std::uint64_t> sizes;
  std::vector<std::int64_t> strides;  ///< in elements
  std::string alias_of;               ///< a tensor that has the same bytes; empty: none
  bool operator==(const TensorEntry&) const = default;
};

/// Everything, besides the gradients, on which the result of a replayed step depends.
struct ReplayClass {
  std::string optimizer;
  std::string torch;   ///< version and build
  std::string cpu;     ///< level of the instruction set
  std::string device;  ///< model of the device
  bool operator==(const ReplayClass&) const = default;
};

/// The program of the job, as a restore starts it again.
struct ProgramEntry {
  std::vector<std::string> argv;
  std::string build_id;
  std::map<std::string, std::string> environment;  ///< only variables that may be stored
  bool operator==(const ProgramEntry&) const = default;
};

/// Where a snapshot was taken.
struct SnapshotOrigin {
  std::string host;
  std::string device;
  std::string gpu_uuid;
  bool operator==(const SnapshotOrigin&) const = default;
};

/// One snapshot: the whole state of the job as of `step`. A manifest's id is the hash of its
/// canonical JSON. The manifest has the ids of nodes, and these have the ids of chunks, so the id
/// proves every byte of the snapshot.
struct Manifest {
  std::string job;
  /// SnapshotStart::writer and a random number: no two manifests have the same id.
  std::string writer;
  std::string branch = "main";
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  std::vector<ObjectId> parents;  ///< manifests; the first is the snapshot before this one
  std::int64_t created_s = 0;     ///< seconds since 1970; for people, no decision depends on it
  std::uint32_t chunk_bytes = 0;
  Layout layout;
  std::vector<ObjectId> nodes;  ///< one for each region
  std::vector<TensorEntry> tensors;
  ObjectId values;                ///< the node of the values' bytes
  std::uint64_t value_bytes = 0;  ///< size of the values
  /// The node of the digests of all chunks, in the order of the layout, which the next snapshot
  /// compares its own with; no byte of this snapshot needs it. Nullopt: an earlier release wrote
  /// it.
  std::optional<ObjectId> digests;
  /// The state digest on which source and keeper agreed: data::state_digest_of() over the layout,
  /// the digests of the chunks of `chunk_bytes`, and the digest of the values' bytes. A reader
  /// computes it again.
  Digest state_digest;
  std::map<std::uint64_t, Digest> audits;  ///< roots by step, of steps between the parent and this
  ReplayClass replay_class;
  ProgramEntry program;
  std::map<std::string, double> metrics;  ///< "loss" and others; may be NaN or infinite
  SnapshotOrigin origin;
  std::string run = {};  ///< as Ref::run
  bool operator==(const Manifest&) const = default;
};

/// The canonical bytes of a manifest. Bytes that are not UTF-8 in the texts of writer, program,
/// replay class and origin and in the names of metrics become '?'. Throws Error{bad_request} for a
/// manifest that decode_manifest() would refuse.
[[nodiscard]] std::vector<std::byte> encode_manifest(const Manifest& manifest);
/// Reads the bytes of encode_manifest(), also those of a newer release: unknown fields are ignored.
/// Throws Error{corrupt} for bytes that are not canonical and for values that do not fit together,
/// and Error{protocol_mismatch} for another format.
[[nodiscard]] Manifest decode_manifest(std::span<const std::byte> bytes);

}  // namespace cardswap::store
