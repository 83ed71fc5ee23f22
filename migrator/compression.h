#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace cardswap {

/// How a payload's bytes are packed on the wire.
enum class Codec : std::uint8_t { none, lz4, zstd };
[[nodiscard]] std::string_view to_string(Codec codec);

/// What a migration may use; automatic: what shortens it on the link as measured, or nothing.
enum class Compression : std::uint8_t { automatic, off, lz4, zstd };
/// "auto", "off", "lz4", "zstd".
[[nodiscard]] std::string_view to_string(Compression compression);
/// Throws Error{bad_request}.
[[nodiscard]] Compression compression_from(std::string_view text);

/// Bytes of one element of a tensor by its dtype's name ("Float", "BFloat16"); 1 if unknown.
[[nodiscard]] std::uint8_t element_bytes(std::string_view dtype);

/// Lossless packing of tensors: all elements' first bytes, then all second bytes and so on (the
/// byte shuffle of HDF5 and Blosc: signs and exponents come together), then LZ4 or zstd's fastest
/// level. Keeps its buffers and contexts; one thread.
class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  /// `element`: bytes of an element, 1 to 16; what is left behind whole elements is kept as it is.
  [[nodiscard]] std::vector<std::byte> pack(Codec codec, std::span<const std::byte> bytes,
                                            std::uint8_t element);
  /// Fills `out` exactly; throws Error{bad_request} on bytes that pack() did not make of as many.
  void unpack(Codec codec, std::span<const std::byte> packed, std::uint8_t element,
              std::span<std::byte> out);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
  std::vector<std::byte> shuffled_;
};

}  // namespace cardswap
