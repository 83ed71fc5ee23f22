#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/compression.h"

namespace cardswap {

/// The link rate, in bytes a second, from which on compression is not even tried: a core compresses
/// slower.
inline constexpr double kCompressedRateMax = 2e9;
/// A payload of fewer bytes is never compressed.
inline constexpr std::size_t kCompressedBytesMin = 4096;

/// Decides whether compression makes a migration shorter, and compresses its payloads.
///
/// Compression::automatic: from time to time one payload is compressed with each codec. A codec can
/// carry min(its speed, link rate x its ratio) bytes a second. The best codec is used if that is
/// well above the link rate. So nothing is compressed on links that are faster than a core
/// compresses. One thread.
class PayloadCompressor {
 public:
  explicit PayloadCompressor(Compression wanted);

  /// A compressed payload, and how it was compressed.
  struct Compressed {
    Codec codec = Codec::none;
    std::vector<std::byte> bytes;
  };
  /// Compresses a payload. Nullopt: send it as it is. `link_rate`: bytes a second on the wire, 0
  /// while unknown. `shuffle` describes `bytes`.
  [[nodiscard]] std::optional<Compressed> compress(std::span<const std::byte> bytes,
                                                   ByteShuffle shuffle, double link_rate);

  /// The codec in use now; Codec::none: payloads are sent as they are.
  [[nodiscard]] Codec codec() const { return codec_; }
  /// Bytes of state for one byte on the wire, of all that this codec has sent in payloads of
  /// kCompressedBytesMin and more; the latest 64 MiB count most. Payloads count by their bytes: a
  /// small one of zeros tells little about the state. 1 before the first one.
  [[nodiscard]] double ratio() const { return sent_bytes_ > 0 ? plain_bytes_ / sent_bytes_ : 1; }

 private:
  using Clock = std::chrono::steady_clock;

  void try_out(std::span<const std::byte> bytes, ByteShuffle shuffle, double link_rate);
  void use(Codec codec);
  void count(std::size_t bytes, std::size_t sent);

  const Compression wanted_;
  Compressor compressor_;
  Codec codec_ = Codec::none;
  double plain_bytes_ = 0;  ///< of recent payloads, before ...
  double sent_bytes_ = 0;   ///< ... and after compression
  Clock::time_point try_at_{};
  unsigned skip_ = 0;       ///< payloads to send as they are before compression is tried again
  unsigned skip_next_ = 1;  ///< grows while compression does not help
};

}  // namespace cardswap
