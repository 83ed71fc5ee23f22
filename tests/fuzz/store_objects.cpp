/// What lies in a store of snapshots, which anybody may have written: packs, nodes, manifests,
/// refs, trash and segments of gradient logs. What is read is written again as the same bytes.

#include <cstdlib>
#include <string_view>

#include "migrator/store/in_memory_store.h"
#include "migrator/store/log_segment.h"
#include "migrator/store/manifest.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"
#include "migrator/store/refs.h"
#include "migrator/store/trash.h"
#include "migrator/tensors/exported_tensors.h"
#include "migrator/tensors/safetensors.h"
#include "tests/fuzz/seeds.h"

namespace {

using namespace cardswap;         // NOLINT: one program, one file
using namespace cardswap::store;  // NOLINT

Manifest some_manifest() {
  Manifest manifest;
  manifest.job = "gpt";
  manifest.parents = {ObjectId{}};
  manifest.created_s = -1;
  manifest.chunk_bytes = 4096;
  manifest.layout = Layout({{"model/w", "Float", "[3]", 12, 0}});
  manifest.nodes = {ObjectId{}};
  manifest.tensors = {{"model/w", RegionId{0}, 4, "Float", {2}, {1}, "model/tied"}};
  manifest.audits = {{7, Digest{}}};
  manifest.program = {{"train", "--text=\"\\\n"}, "b1", {{"HOME", "/"}}};
  manifest.metrics = {{"loss", 2.5e-9}};
  return manifest;
}

std::vector<std::byte> some_pack() {
  Compressor compressor;
  PackWriter writer(1);
  for (const auto& plain : {fuzz::bytes_of("plain"), std::vector<std::byte>(4096)}) {
    writer.add(encode_chunk(compressor, id_of(plain), plain, 4));
  }
  return writer.finish().bytes;
}

std::vector<std::byte> some_segment() {
  const auto gradient = fuzz::bytes_of("gradient");
  LogRecord record;
  record.step = 7;
  record.root = Digest{};
  record.values = fuzz::bytes_of("values");
  record.regions = {{3, 0, digest_of({})}};
  record.updates = {{0, fuzz::bytes_of("lr"), {{1, gradient.size(), digest_of(gradient)}}}};
  auto bytes = encode_log_start({"gpt", "run", "main", 1, Digest{}, 4096, "libtorch"});
  const auto head = encode_log_head(record);
  bytes.insert(bytes.end(), head.begin(), head.end());
  bytes.insert(bytes.end(), gradient.begin(), gradient.end());
  return bytes;
}

void read_segment(std::span<const std::byte> bytes) {
  InMemoryStore store;
  store.put_new("segment", bytes);
  LogSegmentReader reader(store, "segment");
  while (const auto placed = reader.next()) {
    reader.read_payload(*placed, [](std::size_t, const std::vector<std::byte>&) {});
  }
}

void read_chunks(std::span<const std::byte> pack) {
  Compressor compressor;
  for (const auto& chunk : read_pack(pack)) {
    std::vector<std::byte> plain(chunk.bytes);
    fuzz::expect_error_or_nothing(
        [&] { decode_chunk(compressor, chunk, pack.subspan(chunk.at, chunk.stored), plain); });
  }
}

void expect_same(std::span<const std::byte> read, const std::vector<std::byte>& written) {
  if (!std::ranges::equal(read, written)) std::abort();
}

}  // namespace

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  return {some_pack(),
          some_segment(),
          encode_log_start({"gpt", "run", "main", 1, Digest{}, 4096, "libtorch"}),
          encode_log_head({7, Digest{}, {}, {{1, 2, Digest{}}}, {}}),
          encode_node({8192, 4096, 0, {ObjectId{}, ObjectId{}}}),
          encode_manifest(some_manifest()),
          encode_ref({"gpt", 42, ObjectId{}, "main", 41'000, 3}),
          encode_trash({1, 5, {"jobs/gpt/refs/00000000000000000001"}, {}}),
          encode_waits({"jobs/gpt/intents/w"})};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::view(data, size);
  fuzz::expect_error_or_nothing([&] { read_chunks(bytes); });
  fuzz::expect_error_or_nothing([&] { expect_same(bytes, encode_node(decode_node(bytes))); });
  fuzz::expect_error_or_nothing([&] { (void)encode_manifest(decode_manifest(bytes)); });
  fuzz::expect_error_or_nothing([&] {
    const auto manifest = decode_manifest(bytes);
    const auto choice = tensors::choose_tensors(manifest, {.all = true});
    (void)tensors::plan_safetensors(manifest, ObjectId{}, choice);
  });
  fuzz::expect_error_or_nothing([&] { (void)encode_ref(decode_ref(bytes)); });
  fuzz::expect_error_or_nothing([&] { (void)decode_trash(bytes); });
  fuzz::expect_error_or_nothing([&] { (void)decode_waits(bytes); });
  fuzz::expect_error_or_nothing([&] { read_segment(bytes); });
  fuzz::expect_error_or_nothing([&] { (void)encode_log_start(decode_log_start(bytes)); });
  fuzz::expect_error_or_nothing([&] { (void)encode_log_head(decode_log_head(bytes)); });
  return 0;
}
