#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/compression.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/tensor_table.h"

namespace cardswap::tensors {

/// Reads one region of a snapshot piece by piece; keeps the chunk that it read last. One thread;
/// the SnapshotReader outlives it.
class RegionStream {
 public:
  RegionStream(const store::SnapshotReader& reader, RegionId region);
  /// Fills `into` from the region's bytes at `offset`. Throws as SnapshotReader::read().
  void read(std::uint64_t offset, std::span<std::byte> into);

 private:
  const store::SnapshotReader& reader_;
  const RegionId region_;
  const std::uint64_t region_bytes_;
  const std::uint64_t chunk_bytes_;
  Compressor compressor_;
  std::optional<std::uint64_t> held_;  ///< index of the chunk in `chunk_`
  std::vector<std::byte> chunk_;
};

/// Reads the elements of a tensor of listed_tensors() in the order of their indices, as a
/// contiguous tensor has them. A contiguous tensor is read chunk by chunk; of another one the whole
/// tensor is in memory from the first read() on. One thread; the SnapshotReader outlives it.
class TensorReader {
 public:
  TensorReader(const store::SnapshotReader& reader, store::TensorEntry tensor);
  /// Size of the tensor in bytes.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// Fills `into` from the tensor's bytes at `offset`, not past its end. Throws as
  /// SnapshotReader::read(), and Error{no_memory} for a tensor that must be in memory and would
  /// take more than half of the machine's.
  void read(std::uint64_t offset, std::span<std::byte> into);

 private:
  const store::TensorEntry tensor_;
  const std::uint64_t bytes_;
  const bool is_contiguous_;
  RegionStream region_;
  std::optional<std::vector<std::byte>> gathered_;
};

}  // namespace cardswap::tensors
