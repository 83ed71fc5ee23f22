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

/// A manifest is at most so long: some hundred thousand tensors.
inline constexpr std::size_t kManifestBytesMost = 64U << 20;

/// A tensor of the program in a region's bytes. What exports, comparisons by tensor and partial
/// restores go by.
struct TensorEntry {
  std::string name;  ///< "model/transformer.0.qkv.weight"
  RegionId region{};
  std::uint64_t offset = 0;  ///< bytes from the region's first
  std::string dtype;         ///< LibTorch's names, as Region has them
  std::vector<std::uint64_t> sizes;
  std::vector<std::int64_t> strides;  ///< in elements
  std::string alias_of;               ///< the tensor whose bytes these are too; empty: none
  bool operator==(const TensorEntry&) const = default;
};

/// What a step's replay depends on besides its gradients.
struct ReplayClass {
  std::string optimizer;
  std::string torch;   ///< version and build
  std::string cpu;     ///< level of the instruction set
  std::string device;  ///< model
  bool operator==(const ReplayClass&) const = default;
};

/// What ran: what a restore starts again.
struct ProgramEntry {
  std::vector<std::string> argv;
  std::string build_id;
  std::map<std::string, std::string> environment;  ///< what is allowed to be kept of it
  bool operator==(const ProgramEntry&) const = default;
};

/// Where a snapshot was taken.
struct SnapshotOrigin {
  std::string host;
  std::string device;
  std::string gpu_uuid;
  bool operator==(const SnapshotOrigin&) const = default;
};

/// One snapshot: what the job was as of `step`, whole. Its id is of its canonical JSON, and holds
/// the ids of nodes, which hold those of chunks: who knows it can prove every byte.
struct Manifest {
  std::string job;
  std::string writer;  ///< who wrote it: no two manifests have one name
  std::string branch = "main";
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  std::vector<ObjectId> parents;  ///< manifests; the first is what this was taken after
  std::int64_t created_s = 0;     ///< since 1970, for people: nothing is decided by it
  std::uint32_t chunk_bytes = 0;
  Layout layout;
  std::vector<ObjectId> nodes;  ///< one a region
  std::vector<TensorEntry> tensors;
  ObjectId values;                ///< the node of the values' bytes
  std::uint64_t value_bytes = 0;  ///< of them
  /// What source and keeper agreed on: data::root_of() over the layout, the digests of the chunks
  /// of `chunk_bytes`, and the digest of the values' bytes. A reader proves it anew.
  Digest root;
  std::map<std::uint64_t, Digest> audits;  ///< roots of steps between the parent and this
  ReplayClass replay_class;
  ProgramEntry program;
  std::map<std::string, double> metrics;  ///< "loss"; NaN and infinities are kept
  SnapshotOrigin origin;
  bool operator==(const Manifest&) const = default;
};

/// The canonical bytes: one for each manifest. Throws Error{bad_request} for one that
/// decode_manifest() would refuse.
[[nodiscard]] std::vector<std::byte> encode_manifest(const Manifest& manifest);
/// Reads what encode_manifest() made, and nothing else: fields that this release does not know are
/// passed over, but not another order, blanks or spelling. Throws Error{corrupt}.
[[nodiscard]] Manifest decode_manifest(std::span<const std::byte> bytes);

}  // namespace cardswap::store
