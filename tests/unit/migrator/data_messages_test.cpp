#include "migrator/wire/data_messages.h"

#include <gmock/gmock.h>

#include <limits>

#include "migrator/core/wire_writer.h"
#include "tests/support/wire_bytes.h"

namespace cardswap::data {
namespace {

Layout some_layout() {
  return Layout({{"w", "float32", "[2, 3]", 24, 0x10000}, {"empty", "int64", "[0]", 0}});
}

std::vector<Message> one_of_each() {
  const Digest digest{{9, 8, 7}};
  return {LayoutOffered{kMagic, kVersion, "m", "token", 4096, true, some_layout()},
          LayoutReplaced{false, some_layout()},
          RoundEnd{3, 4, true, 5},
          Ping{-5},
          FreezeBegin{},
          Values{1, 2, 3, {std::byte{1}, std::byte{2}}, {{"loss", 0x7ff8000000000000}}},
          Equal{digest},
          Abort{"done"},
          Accept{7, true},
          Refused{Code::layout_differs, "w differs", "build the same model"},
          ChunkDigests{2, true, {{ChunkId{1}, digest}, {ChunkId{2}, Digest{}}}, digest},
          Pong{1, 2},
          Confirmed{digest},
          Update{1,
                 2,
                 true,
                 3,
                 4,
                 {std::byte{5}},
                 {{6, 7}, {8, 9, 10, {FactorKind::bfloat16, 0.5, digest}}, {11, 12, 13}}},
          Replayed{10, 1.5},
          Audited{11, {digest, Digest{}}},
          LayoutAmended{12, 13, some_layout()},
          Authenticate{kMagic, kVersion, "m-1", "t"},
          Rehearse{},
          Rehearsed{{std::byte{1}}},
          ReadChunk{ChunkId{2}, 3},
          ChunkBytes{ChunkId{2}, {std::byte{1}}},
          EarlyGradient{17, 18, 19},
          EarlyDropped{20, 21}};
}

TEST(DataMessages, HaveTheBytesOfTheirVersion) {
  test::expect_wire_bytes(one_of_each(), WIRE_BYTES "/data.txt",
                          [](const Message& message) { return encode(message); });
}

TEST(PayloadHeaders, HaveTheBytesOfTheirVersion) {
  const std::vector<DescribedPayload> headers{
      {ChunkHeader{ChunkId{7}, 3}, {}},
      {ChunkHeader{ChunkId{8}, 9}, {Codec::shuffled, 8, 1 << 20}},
      {GradientHeader{1, 2, 3}, {Codec::zstd, 4, 5}},
      {EarlyHeader{6, 7}, {}}};
  test::expect_wire_bytes(headers, WIRE_BYTES "/bulk.txt", [](const DescribedPayload& payload) {
    return encode(payload.what, payload.encoding);
  });
}

TEST(DataMessages, ComeBackAsTheyWereWritten) {
  const auto messages = one_of_each();
  ASSERT_EQ(messages.size(), std::variant_size_v<Message>) << "a new message is not tested here";
  for (const auto& message : messages) {
    const auto again = decode(encode(message));
    EXPECT_EQ(again.index(), message.index());
    EXPECT_EQ(encode(again), encode(message)) << "number " << message.index() + 1;
  }
}

TEST(DataMessages, RefuseEveryTruncationAndTrailingBytes) {
  for (const auto& message : one_of_each()) {
    auto bytes = encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_THROW((void)decode(std::span(bytes).first(size)), Error)
          << "number " << message.index() + 1 << " cut to " << size;
    }
    bytes.push_back(std::byte{0});
    EXPECT_THROW((void)decode(bytes), Error);
  }
}

TEST(DataMessages, RefuseACountThatTheMessageCannotHold) {
  wire::WireWriter writer;
  writer.u8(11).u32(1).boolean(false).digest({}).u32(0xffffffff);
  EXPECT_THROW((void)decode(writer.bytes()), Error);
}

/// What is computed with them would overflow.
TEST(DataMessages, RefuseTimesThatNoClockHas) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const auto time : {kMin, kMin / 8, kMax / 8, kMax}) {
    EXPECT_THROW((void)decode(encode(Ping{time})), Error) << time;
    EXPECT_THROW((void)decode(encode(Pong{1, time})), Error) << time;
    EXPECT_THROW((void)decode(encode(Values{1, time, 3, {}})), Error) << time;
  }
  constexpr std::int64_t kYear = 31'536'000'000'000'000;
  EXPECT_EQ(std::get<Ping>(decode(encode(Ping{30 * kYear}))).sent_ns, 30 * kYear);
}

TEST(PayloadHeaders, ComeBackAsTheyWereWrittenOrAreRefused) {
  const std::vector<PayloadHeader> headers{ChunkHeader{ChunkId{7}, 3}, GradientHeader{1, 2, 3},
                                           EarlyHeader{4, 5}};
  for (const auto& header : headers) {
    const PayloadEncoding encoding{Codec::zstd, 4, 5};
    const auto compressed = encode(header, encoding);
    const auto again = decode_payload_header(compressed);
    EXPECT_EQ(encode(again.what, again.encoding), compressed);
    auto bytes = encode(header);
    EXPECT_EQ(encode(decode_payload_header(bytes).what), bytes);
    EXPECT_THROW((void)decode_payload_header(std::span(bytes).first(bytes.size() - 1)), Error);
    bytes.push_back(std::byte{0});
    EXPECT_THROW((void)decode_payload_header(bytes), Error);
  }
  EXPECT_THROW((void)decode_payload_header(std::array{std::byte{9}}), Error);
}

TEST(DataMessages, TellAnotherVersionFromGarbage) {
  auto hello = std::get<LayoutOffered>(one_of_each().front());
  hello.version = kVersion + 1;
  try {
    (void)decode(encode(Message(hello)));
    FAIL() << "another version was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::protocol_mismatch);
  }
}

TEST(Root, ChangesWithAnyChunkTheValuesAndTheLayout) {
  const std::array chunks{Digest{{1}}, Digest{{2}}};
  const auto state_digest = state_digest_of(some_layout(), chunks, Digest{{3}});
  EXPECT_NE(state_digest,
            state_digest_of(some_layout(), std::array{Digest{{1}}, Digest{{4}}}, Digest{{3}}));
  EXPECT_NE(state_digest, state_digest_of(some_layout(), chunks, Digest{{4}}));
  EXPECT_NE(state_digest, state_digest_of(Layout(), chunks, Digest{{3}}));
}

}  // namespace
}  // namespace cardswap::data
