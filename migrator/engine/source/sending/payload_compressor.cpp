#include "migrator/engine/source/sending/payload_compressor.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cardswap {
namespace {

constexpr std::size_t kWorthTrying = 64U << 10U;
constexpr double kGainMin = 1.08;
constexpr double kSmallerMin = 0.98;
constexpr unsigned kSkipMax = 32;
constexpr std::chrono::seconds kTryEvery{5};
/// The ratio is of about as much as was sent last.
constexpr double kRecentBytes = 64U << 20U;

Codec fixed(Compression wanted) {
  if (wanted == Compression::lz4) return Codec::lz4;
  return wanted == Compression::zstd ? Codec::zstd : Codec::none;
}

}  // namespace

PayloadCompressor::PayloadCompressor(Compression wanted) : wanted_(wanted), codec_(fixed(wanted)) {}

std::optional<PayloadCompressor::Compressed> PayloadCompressor::compress(
    std::span<const std::byte> bytes, ByteShuffle shuffle, double link_rate) {
  if (wanted_ == Compression::off || bytes.size() < kCompressedBytesMin) return std::nullopt;
  if (wanted_ == Compression::automatic && link_rate >= kCompressedRateMax) use(Codec::none);
  if (wanted_ == Compression::automatic && link_rate > 0 && link_rate < kCompressedRateMax &&
      bytes.size() >= kWorthTrying && Clock::now() >= try_at_) {
    try_out(bytes, shuffle, link_rate);
    try_at_ = Clock::now() + kTryEvery;
  }
  if (codec_ == Codec::none || skip_ > 0) {
    if (skip_ > 0) --skip_;
    count(bytes.size(), bytes.size());
    return std::nullopt;
  }
  auto compressed = compressor_.compress(codec_, bytes, shuffle);
  if (static_cast<double>(compressed.size()) > kSmallerMin * static_cast<double>(bytes.size())) {
    skip_ = skip_next_;
    skip_next_ = std::min(skip_next_ * 2, kSkipMax);
    count(bytes.size(), bytes.size());
    return std::nullopt;
  }
  skip_next_ = 1;
  count(bytes.size(), compressed.size());
  return Compressed{codec_, std::move(compressed)};
}

void PayloadCompressor::try_out(std::span<const std::byte> bytes, ByteShuffle shuffle,
                                double link_rate) {
  auto chosen = Codec::none;
  double best = kGainMin * link_rate;
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    const auto start = Clock::now();
    const auto compressed = compressor_.compress(codec, bytes, shuffle).size();
    const std::chrono::duration<double> took = Clock::now() - start;
    const auto size = static_cast<double>(bytes.size());
    const auto carried =
        std::min(size / took.count(), link_rate * size / static_cast<double>(compressed));
    if (carried <= best) continue;
    best = carried;
    chosen = codec;
  }
  use(chosen);
}

/// What was sent before tells nothing of another codec.
void PayloadCompressor::use(Codec codec) {
  if (std::exchange(codec_, codec) != codec) plain_bytes_ = sent_bytes_ = 0;
}

void PayloadCompressor::count(std::size_t bytes, std::size_t sent) {
  const auto plain = static_cast<double>(bytes);
  const double kept = std::exp(-plain / kRecentBytes);
  plain_bytes_ = kept * plain_bytes_ + plain;
  sent_bytes_ = kept * sent_bytes_ + static_cast<double>(sent);
}

}  // namespace cardswap
