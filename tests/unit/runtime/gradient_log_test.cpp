#include <gmock/gmock.h>

#include <filesystem>
#include <future>

#include "migrator/core/layout.h"
#include "migrator/device/device.h"
#include "migrator/store/log_segment.h"
#include "migrator/store/open_store.h"
#include "migrator/wire/data_messages.h"
#include "runtime/log/log_writer.h"
#include "runtime/log/root_scan.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers)
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Bytes = std::vector<std::byte>;

store::LogStart start_of(std::uint64_t epoch = 1) {
  return {"gpt", "run", "main", epoch, Digest{}, 4096, "none"};
}

LoggedStep step_of(std::uint64_t step, std::size_t bytes = 64) {
  LoggedStep logged;
  logged.step = step;
  logged.values = Bytes(8, static_cast<std::byte>(step));
  auto gradient = std::make_shared<const Bytes>(bytes, static_cast<std::byte>(step));
  UpdateEntry entry;
  entry.step = step;
  entry.gradients.push_back({ParameterId{0}, *gradient, gradient});
  logged.updates.push_back(std::move(entry));
  return logged;
}

class GradientLogTest : public testing::Test {
 protected:
  [[nodiscard]] std::string address() const { return "file:" + (dir_.path() / "store").string(); }
  [[nodiscard]] std::unique_ptr<LogWriter> writer(store::LogWindow window = {},
                                                  std::uint64_t base = 0) const {
    return std::make_unique<LogWriter>(address(), start_of(), window, base);
  }
  static void write(LogWriter& to, std::uint64_t step, std::size_t bytes = 64) {
    EXPECT_TRUE(to.add(step_of(step, bytes)));
    to.settle(step, digest_of(Bytes(1, static_cast<std::byte>(step))));
    to.wait_for(step);
  }
  [[nodiscard]] std::vector<std::uint64_t> steps() const {
    const auto store = store::open_store(address());
    std::vector<std::uint64_t> all;
    for (const auto& one : store::log_segments(*store, "gpt", "run", "main")) {
      store::LogSegmentReader reader(*store, store::log_name("gpt", "run", one));
      while (const auto placed = reader.next()) {
        reader.read_payload(*placed, [&](std::size_t, const Bytes& bytes) {
          EXPECT_EQ(bytes, Bytes(bytes.size(), static_cast<std::byte>(placed->record.step)));
        });
        all.push_back(placed->record.step);
      }
    }
    return all;
  }
  test::TempDir dir_;
};

TEST_F(GradientLogTest, IsInTheStoreOnceAStepHasWaitedForIt) {
  const auto log = writer();
  write(*log, 7);
  EXPECT_THAT(steps(), ElementsAre(7U));
  write(*log, 8);
  EXPECT_THAT(steps(), ElementsAre(7U, 8U));
  EXPECT_EQ(log->figures().logged, 8U);
  EXPECT_EQ(log->figures().behind, 0U);
  EXPECT_EQ(log->figures().kept_from, 7U);
}

TEST_F(GradientLogTest, HoldsNoStepWithoutItsDigestForLongerThanTheNextOneComes) {
  const auto log = writer();
  EXPECT_TRUE(log->add(step_of(7)));
  EXPECT_EQ(log->figures().behind, 1U);
  log->settle(7, std::nullopt);
  log->wait_for(7);
  EXPECT_THAT(steps(), ElementsAre(7U));
  EXPECT_EQ(log->figures().unproven, 1U);
}

/// Method: a step whose digest does not come keeps the writer from writing, as a slow disk does.
TEST_F(GradientLogTest, LeavesOutWhatWouldBeHeldBeyondItsBoundAndTells) {
  const auto log = writer();
  constexpr std::size_t kBytes = 40U << 20;
  EXPECT_TRUE(log->add(step_of(1, kBytes)));
  EXPECT_TRUE(log->add(step_of(2, kBytes)));
  EXPECT_TRUE(log->add(step_of(3, kBytes)));
  EXPECT_FALSE(log->add(step_of(4, kBytes)));
  EXPECT_EQ(log->figures().dropped, 1U);
  EXPECT_EQ(log->figures().dropped_step, 4U);
  EXPECT_EQ(log->figures().behind, 3U);
}

TEST_F(GradientLogTest, LetsStepsGoOnWhereTheStoreFails) {
  std::filesystem::create_directories(dir_.path());
  const auto file = dir_.path() / "file";
  std::fclose(std::fopen(file.c_str(), "w"));  // NOLINT
  LogWriter log("file:" + (file / "store").string(), start_of(), {}, 0);
  EXPECT_TRUE(log.add(step_of(1)));
  log.settle(1, std::nullopt);
  log.wait_for(1);
  EXPECT_EQ(log.figures().dropped, 1U);
  EXPECT_EQ(log.figures().logged, 0U);
  EXPECT_NE(log.figures().failure, "");
}

TEST_F(GradientLogTest, KeepsItsWindowBehindTheNewestSnapshot) {
  const auto log = writer({.steps = 2, .bytes = 0});
  for (std::uint64_t step = 1; step <= 6; ++step) write(*log, step);
  EXPECT_THAT(steps(), ElementsAre(1U, 2U, 3U, 4U, 5U, 6U)) << "no snapshot is verified";
  log->set_base(4);
  write(*log, 7);
  EXPECT_THAT(steps(), ElementsAre(5U, 6U, 7U)) << "those behind the snapshot stay";
  log->set_base(7);
  write(*log, 8);
  EXPECT_THAT(steps(), ElementsAre(6U, 7U, 8U));
}

TEST_F(GradientLogTest, OfAnEarlierWriterCountsForTheWindow) {
  {
    const auto log = writer();
    for (std::uint64_t step = 1; step <= 3; ++step) write(*log, step);
  }
  LogWriter log(address(), start_of(2), {.steps = 1, .bytes = 0}, 3);
  write(log, 4);
  write(log, 5);
  EXPECT_THAT(steps(), ElementsAre(4U, 5U));
}

TEST_F(GradientLogTest, IsDroppedWhereItsBytesAreFullUntilThereIsANewerSnapshot) {
  const auto log = writer({.steps = 0, .bytes = 3000});
  write(*log, 1, 1000);
  write(*log, 2, 1000);
  write(*log, 3, 1000);
  EXPECT_EQ(log->figures().dropped_step, 3U);
  EXPECT_THAT(log->figures().failure, HasSubstr("leads on from the newest snapshot"));
  EXPECT_THAT(steps(), ElementsAre(1U, 2U));
}

/// The digest of a state of two regions, and who waits for it.
class RootScanTest : public testing::Test {
 protected:
  RootScanTest() {
    auto view = std::make_shared<StateView>();
    view->layout = Layout({{"w", "Float", "[4096]", 16'384, 0}, {"m", "Float", "[1]", 4, 0}});
    for (auto* memory : {&weights_, &mean_}) {
      view->memory.emplace_back(*memory);
      view->devices.push_back(shared_cpu_device());
    }
    view->step = 7;
    view_ = view;
    chunks_ = std::make_shared<const std::vector<ChunkSpan>>(cut_into_chunks(view->layout, 4096));
  }
  [[nodiscard]] RootScan::Job job(std::uint64_t step) const {
    RootScan::Job job{step, view_, chunks_, {}, digest_of({})};
    job.known.resize(chunks_->size());
    return job;
  }
  [[nodiscard]] Digest root() const {
    std::vector<Digest> digests;
    for (const auto& chunk : *chunks_) digests.push_back(digest_of(range_of(*view_, chunk).bytes));
    return data::state_digest_of(view_->layout, digests, digest_of({}));
  }
  Bytes weights_ = Bytes(16'384, std::byte{3});
  Bytes mean_ = Bytes(4, std::byte{4});
  std::shared_ptr<const StateView> view_;
  std::shared_ptr<const std::vector<ChunkSpan>> chunks_;
};

TEST_F(RootScanTest, GivesTheDigestThatASnapshotWouldHave) {
  std::promise<std::optional<Digest>> told;
  RootScan scan([&](std::uint64_t step, std::optional<Digest> root) {
    EXPECT_EQ(step, 7U);
    told.set_value(root);
  });
  scan.begin(job(7));
  auto found = told.get_future();
  ASSERT_EQ(found.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(found.get(), root());
}

TEST_F(RootScanTest, TakesWhatIsKnownAlreadyFromThere) {
  std::promise<std::optional<Digest>> told;
  RootScan scan([&](std::uint64_t, std::optional<Digest> root) { told.set_value(root); });
  const auto before = root();
  auto one = job(7);
  one.known.back() = digest_of(mean_);
  mean_[0] = std::byte{9};  // by the next step's forward pass
  scan.begin(std::move(one));
  EXPECT_EQ(told.get_future().get(), before);
}

TEST_F(RootScanTest, TellsOfEachStepOnceWhenItIsInterrupted) {
  for (int round = 0; round < 200; ++round) {
    std::vector<std::optional<Digest>> told;
    {
      RootScan scan([&](std::uint64_t, std::optional<Digest> root) { told.push_back(root); });
      scan.begin(job(7));
      scan.interrupt();
      ASSERT_EQ(told.size(), 1U) << "before it returns";
      scan.begin(job(8));
      scan.interrupt();
    }
    ASSERT_EQ(told.size(), 2U);
    for (const auto& one : told) EXPECT_TRUE(!one || *one == root());
  }
}

}  // namespace
}  // namespace cardswap
