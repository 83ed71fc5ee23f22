#include "migrator/wire/frame_reader.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"
#include "migrator/core/wire_writer.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap::channel {
namespace {

TEST(FrameReader, MakesFramesOfSingleBytes) {
  const auto first = encode(Freeze{"m-1"});
  const auto second = encode(Release{"m-2"});
  std::vector<std::byte> stream(first);
  stream.insert(stream.end(), second.begin(), second.end());
  FrameReader reader;
  std::vector<Message> got;
  for (const auto& byte : stream) {
    reader.feed({&byte, 1});
    while (auto body = reader.next()) got.push_back(decode(*body));
  }
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(std::get<Freeze>(got[0]).migration, "m-1");
  EXPECT_EQ(std::get<Release>(got[1]).migration, "m-2");
}

TEST(FrameReader, GivesSeveralFramesOfOnePiece) {
  const auto frame = encode(Freeze{"m"});
  std::vector<std::byte> stream;
  for (int i = 0; i < 3; ++i) stream.insert(stream.end(), frame.begin(), frame.end());
  FrameReader reader;
  reader.feed(stream);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(reader.next().has_value());
  EXPECT_FALSE(reader.next().has_value());
}

TEST(FrameReader, RefusesASizeThatNoFrameHas) {
  for (const std::uint32_t size : {0U, 1U, kFrameBytesMax + 1, 0xffffffffU}) {
    wire::WireWriter writer;
    writer.u32(size);
    FrameReader reader;
    reader.feed(writer.bytes());
    EXPECT_THROW((void)reader.next(), Error) << size;
  }
}

}  // namespace
}  // namespace cardswap::channel
