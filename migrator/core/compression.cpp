#include "migrator/core/compression.h"

#include <fmt/format.h>
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/racy_read.h"
#include "migrator/core/byte_shuffle.h"

namespace cardswap {
namespace {

constexpr int kZstdLevel = 1;
constexpr std::uint8_t kElementMax = 16;

Error damaged() { return {Code::bad_request, "a compressed payload is damaged"}; }

const char* chars(const std::byte* bytes) {
  return reinterpret_cast<const char*>(bytes);  // NOLINT: LZ4's interface
}
char* chars(std::byte* bytes) {
  return reinterpret_cast<char*>(bytes);  // NOLINT: LZ4's interface
}

}  // namespace

std::string_view to_string(Codec codec) {
  switch (codec) {
    case Codec::none: return "none";
    case Codec::lz4: return "lz4";
    case Codec::zstd: return "zstd";
    case Codec::shuffled: return "shuffled";
  }
  return "unknown";
}

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::automatic: return "auto";
    case Compression::off: return "off";
    case Compression::lz4: return "lz4";
    case Compression::zstd: return "zstd";
  }
  return "unknown";
}

std::uint8_t element_bytes(std::string_view dtype) {
  if (dtype == "Float" || dtype == "Int") return 4;
  if (dtype == "Double" || dtype == "Long" || dtype == "ComplexFloat") return 8;
  if (dtype == "BFloat16" || dtype == "Half" || dtype == "Short") return 2;
  return 1;
}

struct Compressor::Contexts {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compress{ZSTD_createCCtx(), &ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompress{ZSTD_createDCtx(),
                                                                  &ZSTD_freeDCtx};
};

Compressor::Compressor() : contexts_(std::make_unique<Contexts>()) {
  if (contexts_->compress && contexts_->decompress) return;
  throw Error(Code::no_memory, "zstd finds no memory for its contexts");
}
Compressor::~Compressor() = default;

std::vector<std::byte> Compressor::compress(Codec codec, std::span<const std::byte> bytes,
                                            ByteShuffle shuffle) {
  assert(codec == Codec::lz4 || codec == Codec::zstd);
  if (!shuffle.done) {
    shuffled_.resize(bytes.size());
    const RacyRead scope;
    shuffle_bytes(bytes, shuffled_, shuffle.element_bytes);
    bytes = shuffled_;
  }
  std::vector<std::byte> compressed;
  if (codec == Codec::lz4) {
    compressed.resize(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(bytes.size()))));
    const auto size =
        LZ4_compress_default(chars(bytes.data()), chars(compressed.data()),
                             static_cast<int>(bytes.size()), static_cast<int>(compressed.size()));
    if (size <= 0) throw Error(Code::internal, "LZ4 could not compress a chunk");
    compressed.resize(static_cast<std::size_t>(size));
    return compressed;
  }
  compressed.resize(ZSTD_compressBound(bytes.size()));
  const auto size = ZSTD_compressCCtx(contexts_->compress.get(), compressed.data(),
                                      compressed.size(), bytes.data(), bytes.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) {
    throw Error(Code::internal,
                fmt::format("zstd could not compress a chunk: {}", ZSTD_getErrorName(size)));
  }
  compressed.resize(size);
  return compressed;
}

void Compressor::decompress(Codec codec, std::span<const std::byte> compressed,
                            std::span<std::byte> out, ByteShuffle shuffle) {
  if (shuffle.element_bytes == 0 || shuffle.element_bytes > kElementMax) throw damaged();
  auto whole = out;
  if (!shuffle.done) {
    shuffled_.resize(out.size());
    whole = shuffled_;
  }
  if (codec == Codec::lz4) {
    const auto size =
        LZ4_decompress_safe(chars(compressed.data()), chars(whole.data()),
                            static_cast<int>(compressed.size()), static_cast<int>(whole.size()));
    if (size < 0 || static_cast<std::size_t>(size) != whole.size()) throw damaged();
  } else if (codec == Codec::zstd) {
    const auto size = ZSTD_decompressDCtx(contexts_->decompress.get(), whole.data(), whole.size(),
                                          compressed.data(), compressed.size());
    if (ZSTD_isError(size) != 0 || size != whole.size()) throw damaged();
  } else if (codec == Codec::shuffled) {
    if (compressed.size() != whole.size()) throw damaged();
    std::ranges::copy(compressed, whole.begin());
  } else {
    throw damaged();
  }
  if (!shuffle.done) unshuffle_bytes(whole, out, shuffle.element_bytes);
}

}  // namespace cardswap
