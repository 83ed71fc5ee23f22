#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "migrator/base/error.h"
#include "migrator/store/json.h"
#include "migrator/store/manifest.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"
#include "migrator/store/refs.h"
#include "migrator/store/trash.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Code code_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.code();
  }
  return Code::internal;
}

std::string canonical(const Json& json) {
  const auto bytes = canonical_bytes(json);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Json read(std::string_view text, std::size_t most = 100) {
  return read_canonical(std::as_bytes(std::span(text)), most);
}

TEST(StoreIds, AreSha256) {
  EXPECT_EQ(to_string(id_of(test::bytes_of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(IdHasher().add(test::bytes_of("a")).add(test::bytes_of("bc")).finish(),
            id_of(test::bytes_of("abc")));
  EXPECT_EQ(object_id_from(to_string(id_of({}))), id_of({}));
  EXPECT_EQ(code_of([] { (void)object_id_from(std::string(64, 'A')); }), Code::bad_request);
  EXPECT_EQ(code_of([] { (void)object_id_from("ab"); }), Code::bad_request);
}

TEST(StoreNames, AreMadeOfFewLettersAndReadBack) {
  const auto id = id_of({});
  EXPECT_EQ(pack_name(id), "packs/e3/" + to_string(id) + ".pack");
  for (const auto& name : {pack_name(id), node_name(id), manifest_name(id)}) {
    EXPECT_TRUE(is_object_name(name));
    EXPECT_EQ(id_in_name(name), id);
  }
  EXPECT_FALSE(id_in_name("packs/00/" + to_string(id) + ".pack")) << "another folder's";
  EXPECT_EQ(ref_name("gpt", 42), "jobs/gpt/refs/00000000000000000042");
  EXPECT_EQ(number_in_name(ref_name("gpt", 42)), 42U);
  EXPECT_FALSE(number_in_name("jobs/gpt/refs/42"));
  EXPECT_EQ(code_of([] { (void)ref_name("../etc", 1); }), Code::bad_request);
}

TEST(StoreNames, LeadNowhereElse) {
  for (const auto* name : {"", "/", "a/", "/a", "a//b", "..", "a/../b", "a/.b", "-a", "A", "a b",
                           "a/./b", "\xc3\xa4"}) {
    EXPECT_FALSE(is_object_name(name)) << name;
  }
  EXPECT_FALSE(is_object_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_object_name(std::string(129, 'a')));
  EXPECT_TRUE(is_object_name("jobs/g-p.t_1/refs/0"));
}

TEST(CanonicalJson, HasOneSpellingForEachValue) {
  EXPECT_EQ(
      canonical(JsonObject{{"b", std::uint64_t{1}}, {"a", JsonArray{true, Json(), "x\n\"\x01"}}}),
      R"({"a":[true,null,"x\n\"\u0001"],"b":1})");
  EXPECT_EQ(canonical(Json(0.5)), "0.5");
  EXPECT_EQ(canonical(Json(std::int64_t{-3})), "-3");
  EXPECT_EQ(canonical(Json(std::nan(""))), "\"nan\"");
  for (const auto* text :
       {"{\"a\":1,\"b\":[1.5,-2,1e+300,18446744073709551615]}", "\"\xc3\xa4\""}) {
    EXPECT_EQ(canonical(read(text)), text);
  }
}

TEST(CanonicalJson, RefusesEveryOtherSpelling) {
  for (const auto* text : {"",
                           " 1",
                           "1 ",
                           "01",
                           "1.0",
                           "+1",
                           "-0e0",
                           "1e400",
                           "nan",
                           "tru",
                           "\"a",
                           "\"\\u0041\"",
                           "\"\\u000a\"",
                           "\"\\x\"",
                           "[1,]",
                           "[1 ]",
                           "{\"a\":1,}",
                           "{\"b\":1,\"a\":1}",
                           "{\"a\":1,\"a\":1}",
                           "{a:1}",
                           "\"\xff\"",
                           "\"\n\"",
                           "[[[[[[[[[[1]]]]]]]]]]",
                           "1.50"}) {
    EXPECT_EQ(code_of([&] { (void)read(text); }), Code::corrupt) << text;
  }
  EXPECT_EQ(code_of([] { (void)read("[1,2,3]", 3); }), Code::corrupt) << "more values than allowed";
}

TEST(Pack, GivesEachChunkBack) {
  Compressor compressor;
  PackWriter writer(7);
  const auto floats = test::weights(65536, 1);
  const auto text = test::bytes_of("short");
  writer.add(encode_chunk(compressor, id_of(floats), floats, 4));
  writer.add(encode_chunk(compressor, id_of(text), text, 4));
  const auto pack = writer.finish();
  ASSERT_EQ(read_pack(pack.bytes), pack.chunks);
  EXPECT_EQ(pack.chunks[0].codec, ChunkCodec::zstd);
  EXPECT_EQ(pack.chunks[1].codec, ChunkCodec::plain) << "packing does not pay";
  EXPECT_EQ(pack.id, id_of(pack.bytes));
  for (const auto& [chunk, plain] : {std::pair{pack.chunks[0], floats}, {pack.chunks[1], text}}) {
    std::vector<std::byte> out(chunk.bytes);
    decode_chunk(compressor, chunk, std::span(pack.bytes).subspan(chunk.at, chunk.stored), out);
    EXPECT_EQ(out, plain);
  }
  EXPECT_TRUE(writer.empty());
}

TEST(Pack, OfTheSameChunksHasAnotherNameEachTime) {
  Compressor compressor;
  PackWriter writer(7);
  const auto text = test::bytes_of("short");
  writer.add(encode_chunk(compressor, id_of(text), text, 1));
  const auto first = writer.finish();
  writer.add(encode_chunk(compressor, id_of(text), text, 1));
  EXPECT_NE(writer.finish().id, first.id);
}

TEST(Pack, StaysWithinItsSize) {
  Compressor compressor;
  PackWriter writer(1);
  std::vector<std::byte> chunk(kStoreChunkBytesMax);
  std::size_t count = 0;
  while (writer.has_room_for(chunk.size())) {
    chunk[0] = static_cast<std::byte>(count++);
    writer.add(encode_chunk(compressor, id_of(chunk), chunk, 1, false));
  }
  EXPECT_EQ(count, 63U);
  const auto pack = writer.finish();
  EXPECT_LE(pack.bytes.size(), kPackBytesMax);
  EXPECT_EQ(read_pack(pack.bytes).size(), count);
}

TEST(Node, HoldsExactlyItsRegionsChunks) {
  Node node{10'000, 4096, 0, {id_of(test::bytes_of("a")), id_of({}), id_of(test::bytes_of("b"))}};
  const auto bytes = encode_node(node);
  EXPECT_EQ(decode_node(bytes), node);
  EXPECT_EQ(chunk_size(node, 2), 10'000U - 2 * 4096);
  EXPECT_EQ(bytes.size(), 24U + 3 * 32);
  node.chunks.pop_back();
  EXPECT_EQ(code_of([&] { (void)encode_node(node); }), Code::bad_request);
}

TEST(Node, OfAThousandMillionChunksIsRefusedBeforeThereIsMemoryForThem) {
  auto bytes = encode_node({4096, 4096, 0, {ObjectId{}}});
  const std::uint64_t absurd = 4096ULL * 1'000'000'000;
  std::memcpy(bytes.data() + 8, &absurd, sizeof(absurd));
  EXPECT_EQ(code_of([&] { (void)decode_node(bytes); }), Code::corrupt);
}

Manifest sample_manifest() {
  const auto state = test::state_at(3);
  const auto facts = test::facts_of(state);
  Manifest manifest;
  manifest.job = "gpt";
  manifest.writer = "token";
  manifest.step = 3;
  manifest.epoch = 2;
  manifest.parents = {id_of({})};
  manifest.created_s = -5;
  manifest.chunk_bytes = 4096;
  manifest.layout = state.layout;
  manifest.nodes = {id_of({}), ObjectId{}, ObjectId{}};
  manifest.tensors = facts.tensors;
  manifest.tensors.push_back({"model/tied", RegionId{0}, 8, "Float", {}, {}, "model/w"});
  manifest.state_digest = state.state_digest();
  manifest.audits = {{1, state.state_digest()}};
  manifest.replay_class = {"AdamW", "2.11", "avx2", "H200"};
  manifest.program = {{"train", "--name=\xc3\xa4"}, "b1", {{"OMP_NUM_THREADS", "1"}}};
  manifest.metrics = {{"loss", 0.1}, {"worst", std::numeric_limits<double>::infinity()}};
  manifest.origin = {"gpu-a", "cuda:0", "GPU-1"};
  manifest.run = "a";
  return manifest;
}

TEST(Manifest, IsReadAsItWasWritten) {
  const auto manifest = sample_manifest();
  const auto bytes = encode_manifest(manifest);
  EXPECT_EQ(decode_manifest(bytes), manifest);
  EXPECT_EQ(encode_manifest(decode_manifest(bytes)), bytes);
}

TEST(Manifest, KeepsALossThatIsNoNumber) {
  auto manifest = sample_manifest();
  manifest.metrics = {{"loss", std::nan("")}};
  EXPECT_TRUE(std::isnan(decode_manifest(encode_manifest(manifest)).metrics.at("loss")));
}

TEST(Manifest, PassesOverWhatALaterReleaseSaysBesides) {
  auto text = canonical(read_canonical(encode_manifest(sample_manifest()), 1000));
  text.insert(text.size() - 1, ",\"zz\":1");
  EXPECT_EQ(decode_manifest(std::as_bytes(std::span(text))), sample_manifest());
}

TEST(Manifest, RefusesALayoutThatIsNotItsDigests) {
  auto text = canonical(read_canonical(encode_manifest(sample_manifest()), 1000));
  text.replace(text.find("\"bytes\":10000"), 13, "\"bytes\":10001");
  EXPECT_EQ(code_of([&] { (void)decode_manifest(std::as_bytes(std::span(text))); }), Code::corrupt);
}

TEST(Manifest, IsNotWrittenWhereItCouldNotBeRead) {
  auto manifest = sample_manifest();
  manifest.job = "Gpt";
  EXPECT_EQ(code_of([&] { (void)encode_manifest(manifest); }), Code::bad_request);
  manifest = sample_manifest();
  manifest.tensors[0].offset = 10'001;
  EXPECT_EQ(code_of([&] { (void)encode_manifest(manifest); }), Code::bad_request);
}

TEST(Ref, IsReadAsItWasWritten) {
  const Ref ref{"gpt", 42, id_of({}), "fix-spike", 41'000, 3};
  EXPECT_EQ(decode_ref(encode_ref(ref)), ref);
  auto of_a_run = ref;
  of_a_run.run = run_of("uid");
  EXPECT_EQ(of_a_run.run.size(), 32U);
  EXPECT_EQ(decode_ref(encode_ref(of_a_run)), of_a_run);
}

TEST(Trash, IsReadAsItWasWritten) {
  const TrashBatch batch{
      3, 1'700'000'000, {"jobs/gpt/refs/00000000000000000001", "packs/aa/b"}, {}};
  EXPECT_EQ(decode_trash(encode_trash(batch)), batch);
  EXPECT_THAT(decode_waits(encode_waits({"jobs/gpt/intents/w"})),
              ElementsAre("jobs/gpt/intents/w"));
  EXPECT_EQ(code_of([] { (void)decode_waits(test::bytes_of("{\"waits\":[\"../x\"]}")); }),
            Code::corrupt);
}

/// Every prefix and every single-bit change of each format is refused, or is another valid value
/// whose bytes differ (a text's letter): nothing is read as what it was not.
TEST(Formats, RefuseWhatIsCutOffOrChanged) {
  Compressor compressor;
  PackWriter writer(7);
  const auto floats = test::weights(4096, 1);
  writer.add(encode_chunk(compressor, id_of(floats), floats, 4));
  const auto pack = writer.finish().bytes;
  const auto node = encode_node({4096, 4096, 0, {id_of(floats)}});
  const auto manifest = encode_manifest(sample_manifest());
  const auto ref = encode_ref({"gpt", 1, id_of({}), "main", 1, 1});
  const auto refused = [](const std::function<void(std::span<const std::byte>)>& read_it,
                          std::vector<std::byte> bytes) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(code_of([&] { read_it(std::span(bytes).first(size)); }), Code::corrupt) << size;
    }
    bytes.push_back(std::byte{0});
    EXPECT_EQ(code_of([&] { read_it(bytes); }), Code::corrupt) << "with more behind its end";
  };
  refused([](auto bytes) { (void)read_pack(bytes); }, pack);
  refused([](auto bytes) { (void)decode_node(bytes); }, node);
  refused([](auto bytes) { (void)decode_manifest(bytes); }, manifest);
  refused([](auto bytes) { (void)decode_ref(bytes); }, ref);
}

TEST(Formats, BelieveNoChunkWhoseBytesChanged) {
  Compressor compressor;
  const auto plain = test::bytes_of("as it is");
  auto chunk = encode_chunk(compressor, id_of(plain), plain, 1, false);
  chunk.stored[3] ^= std::byte{1};
  std::vector<std::byte> out(plain.size());
  EXPECT_EQ(code_of([&] { decode_chunk(compressor, chunk.place, chunk.stored, out); }),
            Code::corrupt);
}

TEST(Formats, SayWhatIsDamaged) {
  Compressor compressor;
  PackWriter writer(7);
  const auto floats = test::weights(4096, 1);
  writer.add(encode_chunk(compressor, id_of(floats), floats, 4));
  auto pack = writer.finish();
  pack.bytes[pack.chunks[0].at + 9] ^= std::byte{4};
  std::vector<std::byte> out(4096);
  try {
    decode_chunk(compressor, pack.chunks[0],
                 std::span(pack.bytes).subspan(pack.chunks[0].at, pack.chunks[0].stored), out);
    FAIL() << "a damaged chunk was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::corrupt);
    EXPECT_THAT(e.what(), HasSubstr(to_string(id_of(floats))));
  }
}

}  // namespace
}  // namespace cardswap::store
