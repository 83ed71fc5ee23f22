/// Messages and payload headers of the data plane: what decodes must encode to the same bytes.

#include <cstdlib>

#include "migrator/core/layout.h"
#include "migrator/wire/data_messages.h"
#include "tests/fuzz/seeds.h"

namespace cardswap::fuzz {

std::vector<std::vector<std::byte>> seeds() {
  const Layout layout({{"model/w", "float32", "2x3", 24, 0x10000}, {"b", "int64", "", 8}});
  const Digest digest = digest_of({});
  std::vector<std::vector<std::byte>> all;
  for (const data::Message& message : std::vector<data::Message>{
           data::LayoutOffered{data::kMagic, data::kVersion, "m-1", "token", 4096, true, layout},
           data::LayoutReplaced{false, layout},
           data::RoundEnd{1, 2, true, 3},
           data::Ping{4},
           data::FreezeBegin{},
           data::Values{5, 6, 7, bytes_of("values")},
           data::Equal{digest},
           data::Abort{"done"},
           data::Accept{8, true},
           data::Refused{Code::refused, "no", "why"},
           data::ChunkDigests{9, true, {{ChunkId{1}, digest}}, digest},
           data::Pong{10, 11},
           data::Confirmed{digest},
           data::Update{1,
                        2,
                        true,
                        0,
                        3,
                        bytes_of("options"),
                        {{0, 16}, {1, 32, 1, {FactorKind::float32, 0.25, digest}}, {2, 64, 2}}},
           data::Replayed{12, 1.5},
           data::Audited{13, {digest, digest}},
           data::LayoutAmended{14, 15, layout},
           data::Authenticate{data::kMagic, data::kVersion, "m-1", "token"},
           data::Rehearse{},
           data::Rehearsed{{std::byte{1}}},
           data::ReadChunk{ChunkId{2}, 3},
           data::ChunkBytes{ChunkId{2}, {std::byte{1}}},
           data::EarlyGradient{1, 2, 300},
           data::EarlyDropped{1, 200}}) {
    all.push_back(data::encode(message));
  }
  all.push_back(data::encode(data::ChunkHeader{ChunkId{3}, 4}));
  all.push_back(data::encode(data::GradientHeader{1, 2, 3}, {Codec::zstd, 4, 100}));
  all.push_back(data::encode(data::EarlyHeader{1, 2}, {Codec::lz4, 4, 100}));
  return all;
}

}  // namespace cardswap::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cardswap;
  const auto bytes = fuzz::view(data, size);
  fuzz::expect_error_or_nothing([&] {
    const auto again = data::encode(data::decode(bytes));
    if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  });
  fuzz::expect_error_or_nothing([&] {
    const auto payload = data::decode_payload_header(bytes);
    const auto again = data::encode(payload.what, payload.encoding);
    if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  });
  return 0;
}
