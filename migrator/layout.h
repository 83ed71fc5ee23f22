#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "migrator/digest.h"

namespace cardswap {

enum class RegionId : std::uint32_t {};
enum class ChunkId : std::uint32_t {};

class Device;

/// A point in the work that a program has given one device.
class FencePoint {
 public:
  virtual ~FencePoint() = default;
};
/// Who reads behind it sees the work done. Empty: there is nothing to wait for, as on a cpu, where
/// a call's work is done when it returns.
using Fence = std::vector<std::shared_ptr<const FencePoint>>;

/// The dtype of an arena's first bytes, which pin where it begins. `name` says whose memory it is,
/// as the job counts its devices: "cpu", "cuda:0". The regions up to the next head lie in this
/// arena.
inline constexpr const char* kArenaHead = "arena";

/// One tensor's storage, as both sides must agree on it. `bytes` may be 0.
struct Region {
  std::string name;   ///< the first tensor that uses it: "model/transformer.0.qkv.weight"
  std::string dtype;  ///< LibTorch's names, "Float", "BFloat16", "Long", ... or "bytes"
  std::string shape;  ///< for people: "[768, 2304]"
  std::uint64_t bytes = 0;
  std::uint64_t address = 0;  ///< where it must lie on both sides; 0: anywhere
  bool operator==(const Region&) const = default;
};

/// What a job's state consists of: every region once, in a fixed order.
/// A value; the same on source and target before anything is sent.
class Layout {
 public:
  Layout() = default;
  explicit Layout(std::vector<Region> regions);

  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  [[nodiscard]] std::uint64_t total_bytes() const { return total_bytes_; }
  /// Digest of names, dtypes, shapes and sizes, and of the addresses if any region has one.
  [[nodiscard]] Digest digest() const;
  bool operator==(const Layout&) const = default;

 private:
  std::vector<Region> regions_;
  std::uint64_t total_bytes_ = 0;
};

/// Where a chunk lies: a run of one region's bytes.
struct ChunkSpan {
  RegionId region{};
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
};

/// Cuts `layout` into chunks of `chunk_bytes`, region by region, in order; a region's last chunk
/// may be shorter, an empty region has none. ChunkId is the index into the result.
/// Throws Error{bad_request} unless chunk_bytes is a power of two from 4 KiB to 64 MiB.
[[nodiscard]] std::vector<ChunkSpan> cut_into_chunks(const Layout& layout,
                                                     std::uint64_t chunk_bytes);

/// One line a difference, in words a trainer's author knows, at most `most` lines and then a count;
/// empty when the layouts agree.
[[nodiscard]] std::vector<std::string> differences(const Layout& source, const Layout& target,
                                                   std::size_t most = 8);

/// A layout together with where its bytes are in this process. Holding the snapshot keeps the
/// memory alive (`keep_alive` holds each storage), even when the program replaces the tensor.
/// Owners of `keep_alive`: the program's tensors and every snapshot in use.
struct Snapshot {
  Layout layout;
  std::vector<std::span<std::byte>> memory;      ///< one a region, same order
  std::vector<std::shared_ptr<Device>> devices;  ///< the same; none: this host's own memory
  Fence fence;                                   ///< behind what the program did to it
  std::vector<std::shared_ptr<const void>> keep_alive;
};

}  // namespace cardswap
