/// Method: a job's snapshots are taken one by one, given up by the command, and what is left is
/// read, restored and damaged.

#include <algorithm>

#include "tests/integration/protected_job.h"

namespace cardswap::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Prune : public ProtectedJob {
 protected:
  /// Five snapshots, the first of which has a tag.
  void take_five() {
    start({"--dirty-share", "0.1"}, kMany);
    (void)snapshot({"--tag", "first"});
    for (int i = 0; i < 4; ++i) (void)snapshot();
    ASSERT_THAT(history(), SizeIs(5));
  }
  [[nodiscard]] Words words(const Words& more) const {
    Words all{"prune", "job", "--store", store(), "--keep", "last=2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] boost::json::object pruned(const Words& more = {}) const {
    return host_.ask(words(more));
  }
  [[nodiscard]] std::vector<std::int64_t> numbers() const {
    std::vector<std::int64_t> all;
    for (const auto& one : history()) {
      all.push_back(static_cast<std::int64_t>(number(one.as_object(), "snapshot")));
    }
    return all;
  }
};

TEST_F(Prune, KeepsTheRulesTheTaggedAndWhatTheyNeed) {
  ASSERT_NO_FATAL_FAILURE(take_five());
  const auto would = pruned({"--dry-run"});
  EXPECT_THAT(would.at("snapshots").as_array(), SizeIs(2));
  EXPECT_GT(number(would, "trashed_bytes"), 100'000);
  EXPECT_THAT(numbers(), ElementsAre(5, 4, 3, 2, 1)) << "a dry run changes nothing";

  const auto went = pruned({"--grace", "0s"});
  EXPECT_EQ(went.at("snapshots"), would.at("snapshots"));
  EXPECT_EQ(number(went, "trashed"), number(would, "trashed"));
  EXPECT_EQ(number(went, "trashed_bytes"), number(would, "trashed_bytes"));
  EXPECT_EQ(number(went, "removed"), 0) << "it is in trash first";
  EXPECT_THAT(numbers(), ElementsAre(5, 4, 1));

  const auto files = files_below(path("store")).size();
  const auto removed = pruned({"--grace", "0s"});
  EXPECT_EQ(number(removed, "removed"), number(went, "trashed"));
  EXPECT_EQ(number(removed, "removed_bytes"), number(went, "trashed_bytes"));
  EXPECT_LT(files_below(path("store")).size(), files);
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);

  kill_trainer();
  EXPECT_EQ(text(restored("job:first"), "result"), "ok") << host_.log();
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(Prune, WaitsForTheGrace) {
  ASSERT_NO_FATAL_FAILURE(take_five());
  (void)pruned();
  EXPECT_EQ(number(pruned(), "removed"), 0) << "a day has not passed";
}

TEST_F(Prune, RemovesNothingWhileSomethingIsDamaged) {
  ASSERT_NO_FATAL_FAILURE(take_five());
  ASSERT_NO_FATAL_FAILURE(damage_the_packs());  // also of those that would stay
  const auto said = host_.command(words({"--grace", "0s"}));
  EXPECT_NE(said.exit_code, 0);
  EXPECT_THAT(said.out, HasSubstr("nothing is removed while something is damaged"));
  EXPECT_THAT(said.out, HasSubstr("damaged: "));
  EXPECT_THAT(numbers(), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_TRUE(trains_on()) << host_.log();
}

}  // namespace
}  // namespace cardswap::test
