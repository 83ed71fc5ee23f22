#include "runtime/arena_relocator.h"

#include <gmock/gmock.h>

#include <cstring>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using ::testing::SizeIs;

/// Storages that can be moved, and one that cannot.
class Storages final : public TrackedState {
 public:
  explicit Storages(int count) {
    for (int i = 0; i < count; ++i) {
      own_.emplace_back(1000, static_cast<std::byte>(i));
      now_.emplace_back(own_.back());
      keep_.emplace_back();
    }
  }
  void regions(std::vector<TrackedRegion>& out) override {
    for (std::size_t i = hidden_; i < now_.size(); ++i) out.push_back(region(i, std::to_string(i)));
    out.push_back({"fixed", "bytes", "", fixed_, fixed_.data(), {}});
  }
  void scratch(std::vector<TrackedRegion>& out) override {
    out.push_back({"scratch",
                   "bytes",
                   "",
                   scratch_,
                   scratch_.data(),
                   {},
                   [this](std::byte* home, std::shared_ptr<void> keep) {
                     std::memcpy(home, scratch_.data(), scratch_.size());
                     scratch_ = {home, scratch_.size()};
                     scratch_keep_ = std::move(keep);
                   }});
  }
  /// As a program does that has a tensor no longer tracked, and keeps it.
  std::span<std::byte> hide_first() {
    hidden_ = 1;
    return now_[0];
  }
  /// As a program does that replaces a tensor.
  void replace(std::size_t i) {
    now_[i] = own_[i];
    keep_[i].reset();
  }

 private:
  TrackedRegion region(std::size_t i, std::string name) {
    return {std::move(name),
            "bytes",
            "",
            now_[i],
            &now_[i],
            {},
            [this, i](std::byte* home, std::shared_ptr<void> keep) {
              std::memcpy(home, now_[i].data(), now_[i].size());
              now_[i] = {home, now_[i].size()};
              keep_[i] = std::move(keep);
            }};
  }

  std::size_t hidden_ = 0;
  std::vector<std::vector<std::byte>> own_;
  std::vector<std::span<std::byte>> now_;
  std::vector<std::shared_ptr<void>> keep_;
  std::vector<std::byte> fixed_ = std::vector<std::byte>(50);
  std::vector<std::byte> scratch_own_ = std::vector<std::byte>(200);
  std::span<std::byte> scratch_ = scratch_own_;
  std::shared_ptr<void> scratch_keep_;
};

struct Scene {
  explicit Scene(int count) {
    auto made = std::make_unique<Storages>(count);
    storages = made.get();
    tracker.add("things", std::move(made));
  }
  Tracker tracker;
  Storages* storages;  // the tracker's
  ArenaRelocator relocator{tracker};
};

TEST(ArenaRelocator, TakesOneStorageABoundaryAtLeastAndEndsWhenAllAreHome) {
  Scene scene(5);
  const auto digest = scene.tracker.digest();
  EXPECT_EQ(scene.relocator.relocatable_bytes(), 5000U);
  int boundaries = 1;
  while (!scene.relocator.relocate_some(milliseconds(0))) ++boundaries;
  EXPECT_EQ(boundaries, 5);
  EXPECT_EQ(scene.tracker.digest(), digest);
  const auto state_view = scene.relocator.state_view(false);
  ASSERT_THAT(state_view.layout.regions(), SizeIs(6)) << "the arena's head and each storage";
  EXPECT_EQ(state_view.layout.regions()[0].address, scene.relocator.arena().base());
  for (std::size_t i = 0; i < state_view.memory.size(); ++i) {
    EXPECT_EQ(state_view.layout.regions()[i].address,
              reinterpret_cast<std::uint64_t>(state_view.memory[i].data()));
  }
}

TEST(ArenaRelocator, BringsWhatAppearsLaterAndWhatIsNoState) {
  Scene scene(2);
  EXPECT_TRUE(scene.relocator.relocate_some(milliseconds(1000)));
  scene.storages->replace(0);
  EXPECT_THAT(scene.relocator.state_view(false).layout.regions(), SizeIs(2));
  scene.relocator.relocate_all();
  EXPECT_THAT(scene.relocator.state_view(false).layout.regions(), SizeIs(3));
  EXPECT_THAT(scene.relocator.state_view(true).layout.regions(), SizeIs(4));
}

TEST(ArenaRelocator, SendsWhatTheProgramStillHasOfWhatItTrackedOnce) {
  Scene scene(2);
  scene.relocator.relocate_all();
  const auto kept = scene.storages->hide_first();
  {
    const auto state_view = scene.relocator.state_view(true);
    ASSERT_THAT(state_view.layout.regions(), SizeIs(4)) << "head, 1, scratch and what was 0";
    EXPECT_EQ(state_view.memory.back().data(), kept.data());
    EXPECT_EQ(state_view.memory.back().size(), kept.size());
  }
  const auto digest = scene.relocator.digest();
  kept[5] ^= std::byte{1};
  EXPECT_NE(scene.relocator.digest(), digest);
  scene.storages->replace(0);
  EXPECT_THAT(scene.relocator.state_view(true).layout.regions(), SizeIs(3)) << "nobody has it";
}

TEST(ArenaRelocator, DigestsWhatIsAtHomeAndWhatIsNot) {
  Scene scene(2);
  scene.relocator.relocate_all();
  const auto digest = scene.relocator.digest();
  const auto state_view = scene.relocator.state_view(true);
  for (const auto& memory : state_view.memory) {
    memory[1] ^= std::byte{1};
    EXPECT_NE(scene.relocator.digest(), digest);
    memory[1] ^= std::byte{1};
  }
  for (const auto& region : scene.tracker.regions(false)) {
    region.memory[3] ^= std::byte{1};
    EXPECT_NE(scene.relocator.digest(), digest) << region.name;
    region.memory[3] ^= std::byte{1};
  }
  EXPECT_EQ(scene.relocator.digest(), digest);
}

}  // namespace
}  // namespace cardswap
