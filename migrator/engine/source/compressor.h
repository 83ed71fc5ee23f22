#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/compression.h"

namespace cardswap {

/// The link rate, in bytes a second, from which on packing is not even tried: a core packs slower.
inline constexpr double kPackedRateMax = 2e9;
/// A payload of fewer bytes is never packed.
inline constexpr std::size_t kPackedBytesMin = 4096;

/// Decides whether packing makes a migration shorter, and packs its payloads.
///
/// Compression::automatic: from time to time one payload is packed with each codec. A codec can
/// carry min(its speed, link rate x its ratio) bytes a second. The best codec is used if that is
/// well above the link rate. So nothing is packed on links that are faster than a core packs. One
/// thread.
class Compressor {
 public:
  explicit Compressor(Compression wanted);

  /// A packed payload, and how it was packed.
  struct Packed {
    Codec codec = Codec::none;
    std::vector<std::byte> bytes;
  };
  /// Packs a payload. None: send it as it is. `link_rate`: bytes a second on the wire, 0 while
  /// unknown. `shuffle` describes `bytes`.
  [[nodiscard]] std::optional<Packed> pack(std::span<const std::byte> bytes, ByteShuffle shuffle,
                                           double link_rate);

  /// The codec in use now; none: payloads are sent as they are.
  [[nodiscard]] Codec codec() const { return codec_; }
  /// Bytes of state for one byte on the wire, for the latest payloads; 1 while nothing is packed.
  [[nodiscard]] double ratio() const { return ratio_; }

 private:
  using Clock = std::chrono::steady_clock;

  void try_out(std::span<const std::byte> bytes, ByteShuffle shuffle, double link_rate);
  void count(std::size_t bytes, std::size_t sent);

  const Compression wanted_;
  Packer packer_;
  Codec codec_ = Codec::none;
  double ratio_ = 1;
  Clock::time_point try_at_{};
  unsigned skip_ = 0;       ///< payloads to send as they are before packing is tried again
  unsigned skip_next_ = 1;  ///< grows while packing does not help
};

}  // namespace cardswap
