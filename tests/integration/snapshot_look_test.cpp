/// Method: an agent, the real command, a trainer whose memory follows from its seed and its steps
/// alone. What `export` writes is read by a reader that knows nothing of Cardswap, which computes
/// the same memory again; `diff` and `history` are asked about the same snapshots.

#include <algorithm>

#include "tests/integration/snapshot_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// Reads a safetensors file with Python's standard library: every byte behind the header is one
/// tensor's. Tells the metadata, the tensors, and for plain_memory how many steps lead to its
/// words.
constexpr auto kReader = R"py(
import json, math, struct, sys
WIDTH = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "U8": 1, "BOOL": 1}
raw = open(sys.argv[1], "rb").read()
length, = struct.unpack("<Q", raw[:8])
header, data, at = json.loads(raw[8:8 + length]), raw[8 + length:], 0
told = header.pop("__metadata__")
for name, one in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
    begin, end = one["data_offsets"]
    assert begin == at and end - begin == math.prod(one["shape"]) * WIDTH[one["dtype"]], name
    at = end
assert at == len(data) and length % 8 == 0
steps = []
if len(sys.argv) > 2:
    begin, end = header["words"]["data_offsets"]
    words = struct.unpack(f"<{(end - begin) // 8}Q", data[begin:end])
    now = [(1 + i * 0x9E3779B97F4A7C15) % 2**64 for i in range(len(words))]
    dirty = int(float(sys.argv[2]) * len(words))
    for step in range(int(sys.argv[3]) + 2):
        steps += [step] if tuple(now) == words else []
        for i in range(dirty):
            now[i] = (now[i] * 6364136223846793005 + 1442695040888963407 + step) % 2**64
shapes = {name: one["shape"] for name, one in header.items()}
print(json.dumps({"told": told, "steps": steps, "tensors": shapes}))
)py";

class SnapshotLooks : public SnapshotJob {
 protected:
  static constexpr const char* kShare = "0.001";  // of the first chunk, of three
  static constexpr const char* kMany = "3000";    // steps: no test waits for its end

  [[nodiscard]] static boost::json::object read(const Words& arguments) {
    Words argv{"python3", "-c", kReader};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const auto outcome = run(argv);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.exit_code == 0 ? boost::json::parse(outcome.out).as_object()
                                  : boost::json::object();
  }
  [[nodiscard]] boost::json::object exported(const std::string& name,
                                             const Words& more = {}) const {
    Words words{"export", "job@latest", "--store", store(), "--to", path(name)};
    words.insert(words.end(), more.begin(), more.end());
    return host_.ask(words);
  }
  [[nodiscard]] boost::json::object diff(const std::string& before, const std::string& after,
                                         const Words& more = {"--tensors"}) const {
    Words words{"diff", before, after, "--store", store()};
    words.insert(words.end(), more.begin(), more.end());
    return host_.ask(words);
  }
};

TEST_F(SnapshotLooks, AreExportedAsTheMemoryThatWasTrained) {
  start({"--dirty-share", kShare}, kMany);
  const auto taken = snapshot();
  const auto step = static_cast<std::int64_t>(number(taken, "migrated_at_step"));
  const auto written = exported("job.safetensors");
  EXPECT_EQ(written.at("tensors"), 1);
  EXPECT_EQ(written.at("manifest"), taken.at("manifest"));
  const auto found = read({path("job.safetensors"), kShare, std::to_string(step)});
  ASSERT_TRUE(found.contains("told"));
  const auto& told_of = found.at("told").as_object();
  EXPECT_EQ(told_of.at("cardswap.job"), "job");
  EXPECT_EQ(text(told_of, "cardswap.step"), std::to_string(step));
  EXPECT_EQ(told_of.at("cardswap.root"), taken.at("root"));
  EXPECT_EQ(told_of.at("cardswap.manifest"), taken.at("manifest"));
  const auto& steps = found.at("steps").as_array();
  ASSERT_THAT(steps, SizeIs(1)) << "of no step, or of several";
  EXPECT_NEAR(steps.at(0).to_number<double>(), static_cast<double>(step), 1);

  const auto sum =
      run({"sh", "-c", "cd '" + dir_.path().string() + "' && sha256sum -c job.safetensors.sha256"});
  EXPECT_EQ(sum.exit_code, 0) << sum.out << sum.err;
}

TEST_F(SnapshotLooks, AreExportedOverNoOtherFile) {
  start({}, kMany);
  (void)snapshot();
  (void)exported("job.safetensors");
  const auto before = read_file(path("job.safetensors"));
  const Words words{"export", "job@latest", "--store", store(), "--to", path("job.safetensors")};
  const auto again = host_.command(words);
  EXPECT_EQ(again.exit_code, 3) << again.out;
  EXPECT_THAT(again.err, AllOf(HasSubstr("exists already"), HasSubstr("--force")));
  EXPECT_EQ(read_file(path("job.safetensors")), before);
  (void)exported("job.safetensors", {"--force"});
}

TEST_F(SnapshotLooks, AreNotExportedWhereAByteIsAnother) {
  start({}, kMany);
  (void)snapshot();
  ASSERT_NO_FATAL_FAILURE(damage_the_packs());
  std::filesystem::create_directory(path("out"));
  const auto refused = host_.command(
      {"export", "job@latest", "--store", store(), "--to", path("out/job.safetensors")});
  EXPECT_EQ(refused.exit_code, 1) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("tensor words: packs/"));
  EXPECT_THAT(files_below(path("out")), IsEmpty());
}

TEST_F(SnapshotLooks, TellWhatDiffers) {
  start({"--dirty-share", kShare}, kMany);
  (void)snapshot({"--tag", "first"});
  (void)snapshot();
  const auto found = diff("job:first", "job@latest");
  EXPECT_EQ(found.at("before").at("snapshot"), 1);
  EXPECT_EQ(found.at("after").at("snapshot"), 2);
  EXPECT_EQ(found.at("chunks"), 3);
  EXPECT_EQ(found.at("chunks_changed"), 1);
  EXPECT_THAT(found.at("regions").as_array(), IsEmpty());
  EXPECT_EQ(found.at("values_differ"), true) << "its counter";
  const auto& tensors = found.at("tensors").as_array();
  ASSERT_THAT(tensors, SizeIs(1));
  EXPECT_EQ(tensors.at(0).at("name"), "words");
  const auto& difference = tensors.at(0).at("difference").as_object();
  EXPECT_EQ(difference.at("elements"), 3'000'000);
  EXPECT_EQ(difference.at("compared"), 1 << 20) << "two chunks are the same, and were read";
  EXPECT_GT(number(difference, "changed"), 1000);
  EXPECT_LE(number(difference, "changed"), 3000);
  EXPECT_GT(number(difference, "rms"), 0);

  const auto none = diff("job@latest", "job@latest");
  EXPECT_EQ(none.at("chunks_changed"), 0);
  EXPECT_EQ(none.at("tensors_changed"), 0);
  const auto words =
      host_.command({"diff", "job:first", "job@latest", "--store", store(), "--tensors"});
  EXPECT_THAT(words.out,
              AllOf(HasSubstr("1 of 3 differ"), HasSubstr("TENSOR"), HasSubstr("words")));
  const auto absent = host_.command({"diff", "job:first", "job@1", "--store", store()});
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_THAT(absent.err, HasSubstr("there is no snapshot job@1"));
}

TEST_F(SnapshotLooks, AreDrawn) {
  start({}, kMany);
  const auto taken = snapshot({"--tag", "first"});
  const auto second = snapshot();
  const auto graph = host_.command({"history", "job", "--store", store(), "--graph"});
  EXPECT_EQ(graph.exit_code, 0) << graph.err;
  const auto newer = graph.out.find(text(second, "manifest").substr(0, 8));
  const auto older = graph.out.find(text(taken, "manifest").substr(0, 8));
  EXPECT_LT(newer, older);
  EXPECT_NE(older, std::string::npos);
  EXPECT_EQ(std::ranges::count(graph.out, '*'), 2) << graph.out;
  EXPECT_THAT(graph.out, AllOf(HasSubstr("[first]"), HasSubstr("(main)")));

  const auto written = host_.command(
      {"history", "job", "--store", store(), "--html", path("page"), "--dot", path("dot")});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_THAT(written.out, HasSubstr("wrote " + path("page")));
  EXPECT_THAT(read_file(path("page")),
              AllOf(HasSubstr("Snapshots of job job"), HasSubstr("<svg class=\"rows\""),
                    HasSubstr(text(second, "manifest")), Not(HasSubstr("<script"))));
  EXPECT_THAT(read_file(path("dot")), AllOf(HasSubstr("digraph"), HasSubstr("s0 -> s1;")));
  const auto piped = host_.command({"history", "job", "--store", store(), "--dot", "-"});
  EXPECT_EQ(piped.out, read_file(path("dot")));
}

/// A model has its names and shapes, and its optimizer only if that is asked for.
TEST_F(SnapshotLooks, OfAGptHaveItsTensors) {
  if (!std::filesystem::exists(trainer("gpt"))) {
    return skip_without("torch", "built without LibTorch");
  }
  start_program({trainer("gpt"), "--text", LICENSE_FILE, "--layers", "1", "--width", "32",
                 "--context", "16", "--batch", "4", "--steps", kMany},
                {"--times", path("times")});
  (void)snapshot({"--tag", "first"});
  (void)snapshot();
  const auto written = exported("gpt");
  EXPECT_GT(number(written, "tensors"), 5);
  EXPECT_GT(number(written, "left_out"), 5);
  const auto found = read({path("gpt")});
  ASSERT_TRUE(found.contains("told"));
  EXPECT_FALSE(found.at("told").as_object().contains("cardswap.flat")) << "all have shapes";
  for (const auto& tensor : found.at("tensors").as_object()) {
    EXPECT_EQ(tensor.key().find('/'), std::string_view::npos)
        << tensor.key() << " is no name of its state_dict";
  }
  const auto all = exported("all", {"--all"});
  EXPECT_EQ(number(all, "left_out"), 0);
  EXPECT_EQ(number(all, "tensors"), number(written, "tensors") + number(written, "left_out"));

  const auto changes = diff("job:first", "job@latest", {"--tensors", "--top", "3"});
  const auto& tensors = changes.at("tensors").as_array();
  ASSERT_THAT(tensors, SizeIs(3));
  const auto& difference = tensors.at(0).at("difference").as_object();
  EXPECT_GT(number(difference, "relative"), 0);
  EXPECT_LE(number(difference, "cosine"), 1);
  EXPECT_EQ(difference.at("not_finite_after").at("nan"), 0);
}

}  // namespace
}  // namespace cardswap::test
