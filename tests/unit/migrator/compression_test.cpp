#include "migrator/core/compression.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "migrator/base/error.h"
#include "migrator/core/byte_shuffle.h"
#include "migrator/engine/source/sending/payload_compressor.h"
#include "migrator/engine/target/payload_decompressor.h"

namespace cardswap {
namespace {

std::vector<std::byte> weights(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(count);
  for (auto& value : values) value = normal(random);
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> noise(std::size_t count) {
  std::mt19937 random(2);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(Compressor, GivesBackEveryByteOfEveryWidth) {
  Compressor compressor;
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    for (const std::uint8_t element_bytes : {1, 2, 4, 8, 16, 3}) {
      for (const std::size_t size : {0U, 1U, 7U, 4096U, 65537U}) {
        const auto bytes = noise(size);
        std::vector<std::byte> again(size);
        compressor.decompress(codec, compressor.compress(codec, bytes, {element_bytes}), again,
                              {element_bytes});
        EXPECT_EQ(again, bytes) << to_string(codec) << " " << int{element_bytes} << " " << size;
      }
    }
  }
}

TEST(Compressor, LeavesTheShuffleToADeviceThatDoesIt) {
  Compressor compressor;
  const auto bytes = weights(5000);
  std::vector<std::byte> shuffled(bytes.size());
  shuffle_bytes(bytes, shuffled, 4);
  std::vector<std::byte> out(bytes.size());
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    const auto compressed = compressor.compress(codec, shuffled, {4, true});
    EXPECT_EQ(compressed, compressor.compress(codec, bytes, {4}));
    compressor.decompress(codec, compressed, out, {4, true});
    EXPECT_EQ(out, shuffled);
    compressor.decompress(codec, compressed, out, {4});
    EXPECT_EQ(out, bytes);
  }
  compressor.decompress(Codec::shuffled, shuffled, out, {4});
  EXPECT_EQ(out, bytes);
  compressor.decompress(Codec::shuffled, shuffled, out, {4, true});
  EXPECT_EQ(out, shuffled);
  EXPECT_THROW(compressor.decompress(Codec::shuffled, std::span(shuffled).first(100), out, {4}),
               Error);
  EXPECT_THROW(compressor.decompress(Codec::shuffled, shuffled, out, {0}), Error);
}

TEST(Compressor, TheShuffleMakesFloatsSmaller) {
  Compressor compressor;
  const auto bytes = weights(1U << 18U);
  const auto plain = compressor.compress(Codec::zstd, bytes, {1}).size();
  const auto shuffled = compressor.compress(Codec::zstd, bytes, {4}).size();
  EXPECT_LT(shuffled, plain);
  EXPECT_LT(static_cast<double>(shuffled), 0.9 * static_cast<double>(bytes.size()));
}

TEST(Compressor, RefusesWhatItDidNotMake) {
  Compressor compressor;
  auto out = noise(4096);
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    auto compressed = compressor.compress(codec, weights(1024), {4});
    EXPECT_THROW(compressor.decompress(codec, noise(100), out, {4}), Error);
    EXPECT_THROW(
        compressor.decompress(codec, std::span(compressed).first(compressed.size() / 2), out, {4}),
        Error);
    EXPECT_THROW(compressor.decompress(codec, compressed, out, {0}), Error);
    EXPECT_THROW(compressor.decompress(codec, compressed, out, {200}), Error);
    std::vector<std::byte> small(100);
    EXPECT_THROW(compressor.decompress(codec, compressed, small, {4}), Error);
    std::vector<std::byte> large(8192);
    EXPECT_THROW(compressor.decompress(codec, compressed, large, {4}), Error);
  }
  EXPECT_THROW(compressor.decompress(Codec::none, out, out, {4}), Error);
}

TEST(PayloadCompressor, CompressesOnlyWhereTheLinkIsSlowerThanTheCore) {
  const auto bytes = weights(1U << 18U);
  EXPECT_TRUE(PayloadCompressor(Compression::automatic).compress(bytes, {4}, 1e6));
  EXPECT_FALSE(PayloadCompressor(Compression::automatic).compress(bytes, {4}, 1e12));
  EXPECT_FALSE(PayloadCompressor(Compression::automatic).compress(bytes, {4}, 0))
      << "the link is not measured";
  EXPECT_FALSE(PayloadCompressor(Compression::off).compress(bytes, {4}, 1e6));
  EXPECT_TRUE(PayloadCompressor(Compression::zstd).compress(bytes, {4}, 1e12));
}

TEST(PayloadCompressor, CompressesNoMoreWhenTheLinkTurnsOutFast) {
  const auto bytes = weights(1U << 18U);
  PayloadCompressor compressor(Compression::automatic);
  EXPECT_TRUE(compressor.compress(bytes, {4}, 1e6));
  EXPECT_FALSE(compressor.compress(bytes, {4}, kCompressedRateMax));
}

TEST(PayloadCompressor, LeavesNoiseAsItIs) {
  PayloadCompressor compressor(Compression::lz4);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(compressor.compress(noise(1U << 16U), {4}, 1e6));
  EXPECT_DOUBLE_EQ(compressor.ratio(), 1);
  // It is tried again now and then, or a state that becomes sparse would stay large.
  const std::vector<std::byte> zeros(1U << 16U);
  int tries = 0;
  while (!compressor.compress(zeros, {4}, 1e6)) ASSERT_LT(++tries, 64);
}

/// Most payloads of a layout are small, and some of these are all zeros: moments of what is not
/// used.
TEST(PayloadCompressor, TellsHowMuchSmallerTheStateIsAndNotItsPayloads) {
  PayloadCompressor compressor(Compression::zstd);
  const std::vector<std::byte> zeros(kCompressedBytesMin);
  const auto large = weights(1U << 20U);
  std::size_t plain = 0;
  std::size_t sent = 0;
  const auto send = [&](const std::vector<std::byte>& bytes) {
    const auto compressed = compressor.compress(bytes, {4}, 1e6);
    plain += bytes.size();
    sent += compressed ? compressed->bytes.size() : bytes.size();
  };
  send(large);
  for (int i = 0; i < 20; ++i) send(zeros);
  EXPECT_NEAR(compressor.ratio(), static_cast<double>(plain) / static_cast<double>(sent), 0.01);
}

TEST(PayloadCompressor, TellsNothingOfACodecThatItUsesNoMore) {
  PayloadCompressor compressor(Compression::automatic);
  const std::vector<std::byte> zeros(1U << 20U);
  ASSERT_TRUE(compressor.compress(zeros, {4}, 1e6));
  EXPECT_GT(compressor.ratio(), 2);
  EXPECT_FALSE(compressor.compress(zeros, {4}, kCompressedRateMax));
  EXPECT_DOUBLE_EQ(compressor.ratio(), 1);
}

TEST(PayloadDecompressor, FillsThePlaceOnceAndNeverBeyondIt) {
  PayloadDecompressor decompressor;
  Compressor compressor;
  const auto bytes = weights(1024);
  const auto compressed = compressor.compress(Codec::zstd, bytes, {4});
  const data::PayloadEncoding encoding{Codec::zstd, 4, static_cast<std::uint32_t>(bytes.size())};
  const auto header = data::encode(data::ChunkHeader{ChunkId{1}, 2}, encoding);
  std::vector<std::byte> place(bytes.size());
  const auto buffer = decompressor.reserve(header, compressed.size(), place);
  EXPECT_THROW((void)decompressor.reserve(header, compressed.size(), place), Error)
      << "twice at once";
  std::copy(compressed.begin(), compressed.end(), buffer.begin());
  EXPECT_EQ(decompressor.on_received(header, encoding, {4}), bytes.size());
  EXPECT_EQ(place, bytes);
  EXPECT_THROW((void)decompressor.on_received(header, encoding, {4}), Error)
      << "nobody expected it";
  EXPECT_THROW((void)decompressor.reserve(header, place.size() + 1, place), Error) << "grows";
  (void)decompressor.reserve(header, compressed.size(), place);
  decompressor.forget_destinations();
  EXPECT_EQ(decompressor.on_received(header, encoding, {4}), 0U);
}

}  // namespace
}  // namespace cardswap
