#include "migrator/core/compression.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "migrator/base/error.h"
#include "migrator/core/byte_shuffle.h"
#include "migrator/engine/source/compressor.h"
#include "migrator/engine/target/unpacker.h"

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

TEST(Packer, GivesBackEveryByteOfEveryWidth) {
  Packer packer;
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    for (const std::uint8_t element_bytes : {1, 2, 4, 8, 16, 3}) {
      for (const std::size_t size : {0U, 1U, 7U, 4096U, 65537U}) {
        const auto bytes = noise(size);
        std::vector<std::byte> again(size);
        packer.unpack(codec, packer.pack(codec, bytes, {element_bytes}), again, {element_bytes});
        EXPECT_EQ(again, bytes) << to_string(codec) << " " << int{element_bytes} << " " << size;
      }
    }
  }
}

TEST(Packer, LeavesTheShuffleToADeviceThatDoesIt) {
  Packer packer;
  const auto bytes = weights(5000);
  std::vector<std::byte> shuffled(bytes.size());
  shuffle_bytes(bytes, shuffled, 4);
  std::vector<std::byte> out(bytes.size());
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    const auto packed = packer.pack(codec, shuffled, {4, true});
    EXPECT_EQ(packed, packer.pack(codec, bytes, {4}));
    packer.unpack(codec, packed, out, {4, true});
    EXPECT_EQ(out, shuffled);
    packer.unpack(codec, packed, out, {4});
    EXPECT_EQ(out, bytes);
  }
  packer.unpack(Codec::shuffled, shuffled, out, {4});
  EXPECT_EQ(out, bytes);
  packer.unpack(Codec::shuffled, shuffled, out, {4, true});
  EXPECT_EQ(out, shuffled);
  EXPECT_THROW(packer.unpack(Codec::shuffled, std::span(shuffled).first(100), out, {4}), Error);
  EXPECT_THROW(packer.unpack(Codec::shuffled, shuffled, out, {0}), Error);
}

TEST(Packer, TheShuffleMakesFloatsSmaller) {
  Packer packer;
  const auto bytes = weights(1U << 18U);
  const auto plain = packer.pack(Codec::zstd, bytes, {1}).size();
  const auto shuffled = packer.pack(Codec::zstd, bytes, {4}).size();
  EXPECT_LT(shuffled, plain);
  EXPECT_LT(static_cast<double>(shuffled), 0.9 * static_cast<double>(bytes.size()));
}

TEST(Packer, RefusesWhatItDidNotMake) {
  Packer packer;
  auto out = noise(4096);
  for (const auto codec : {Codec::lz4, Codec::zstd}) {
    auto packed = packer.pack(codec, weights(1024), {4});
    EXPECT_THROW(packer.unpack(codec, noise(100), out, {4}), Error);
    EXPECT_THROW(packer.unpack(codec, std::span(packed).first(packed.size() / 2), out, {4}), Error);
    EXPECT_THROW(packer.unpack(codec, packed, out, {0}), Error);
    EXPECT_THROW(packer.unpack(codec, packed, out, {200}), Error);
    std::vector<std::byte> small(100);
    EXPECT_THROW(packer.unpack(codec, packed, small, {4}), Error);
    std::vector<std::byte> large(8192);
    EXPECT_THROW(packer.unpack(codec, packed, large, {4}), Error);
  }
  EXPECT_THROW(packer.unpack(Codec::none, out, out, {4}), Error);
}

TEST(Compressor, PacksOnlyWhereTheLinkIsSlowerThanTheCore) {
  const auto bytes = weights(1U << 18U);
  EXPECT_TRUE(Compressor(Compression::automatic).pack(bytes, {4}, 1e6));
  EXPECT_FALSE(Compressor(Compression::automatic).pack(bytes, {4}, 1e12));
  EXPECT_FALSE(Compressor(Compression::automatic).pack(bytes, {4}, 0))
      << "the link is not measured";
  EXPECT_FALSE(Compressor(Compression::off).pack(bytes, {4}, 1e6));
  EXPECT_TRUE(Compressor(Compression::zstd).pack(bytes, {4}, 1e12));
}

TEST(Compressor, PacksNoMoreWhenTheLinkTurnsOutFast) {
  const auto bytes = weights(1U << 18U);
  Compressor compressor(Compression::automatic);
  EXPECT_TRUE(compressor.pack(bytes, {4}, 1e6));
  EXPECT_FALSE(compressor.pack(bytes, {4}, kPackedRateMax));
}

TEST(Compressor, LeavesNoiseAsItIs) {
  Compressor compressor(Compression::lz4);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(compressor.pack(noise(1U << 16U), {4}, 1e6));
  EXPECT_DOUBLE_EQ(compressor.ratio(), 1);
  // It is tried again now and then, or a state that becomes sparse would stay large.
  const std::vector<std::byte> zeros(1U << 16U);
  int tries = 0;
  while (!compressor.pack(zeros, {4}, 1e6)) ASSERT_LT(++tries, 64);
}

TEST(Unpacker, FillsThePlaceOnceAndNeverBeyondIt) {
  Unpacker unpacker;
  Packer packer;
  const auto bytes = weights(1024);
  const auto packed = packer.pack(Codec::zstd, bytes, {4});
  const data::Packing packing{Codec::zstd, 4, static_cast<std::uint32_t>(bytes.size())};
  const auto header = data::encode(data::ChunkHeader{ChunkId{1}, 2}, packing);
  std::vector<std::byte> place(bytes.size());
  const auto buffer = unpacker.reserve(header, packed.size(), place);
  EXPECT_THROW((void)unpacker.reserve(header, packed.size(), place), Error) << "twice at once";
  std::copy(packed.begin(), packed.end(), buffer.begin());
  EXPECT_EQ(unpacker.on_received(header, packing, {4}), bytes.size());
  EXPECT_EQ(place, bytes);
  EXPECT_THROW((void)unpacker.on_received(header, packing, {4}), Error) << "nobody expected it";
  EXPECT_THROW((void)unpacker.reserve(header, place.size() + 1, place), Error) << "grows";
  (void)unpacker.reserve(header, packed.size(), place);
  unpacker.forget_destinations();
  EXPECT_EQ(unpacker.on_received(header, packing, {4}), 0U);
}

}  // namespace
}  // namespace cardswap
