#include "runtime/value_block.h"

#include <gmock/gmock.h>

#include <tuple>

#include "cardswap/values.h"
#include "runtime/tracker.h"

namespace cardswap {
namespace {

TEST(ValueBlock, IsLoadedByWhoeverTracksTheSameThings) {
  std::uint64_t step = 41;
  std::vector<float> rates{1.5F, 2.5F};
  std::string place = "shard 7";
  Tracker source;
  source.add("step", Trackable<std::uint64_t>::make(step));
  source.add("rates", Trackable<std::vector<float>>::make(rates));
  source.add("place", Trackable<std::string>::make(place));
  std::uint64_t other_step = 0;
  std::vector<float> other_rates;
  std::string other_place;
  Tracker target;
  target.add("step", Trackable<std::uint64_t>::make(other_step));
  target.add("rates", Trackable<std::vector<float>>::make(other_rates));
  target.add("place", Trackable<std::string>::make(other_place));

  load_values(target.entries(), save_values(source.entries()));

  EXPECT_EQ(other_step, 41U);
  EXPECT_EQ(other_rates, rates);
  EXPECT_EQ(other_place, place);
  EXPECT_EQ(save_values(target.entries()), save_values(source.entries()));
  EXPECT_EQ(target.digest(), source.digest());
}

TEST(ValueBlock, IsRefusedWhereItIsOfOtherThings) {
  int a = 0;
  Tracker source;
  source.add("a", Trackable<int>::make(a));
  Tracker target;
  target.add("b", Trackable<int>::make(a));
  EXPECT_THROW(load_values(target.entries(), save_values(source.entries())), Error);
  const auto saved = save_values(source.entries());
  for (std::size_t size = 0; size < saved.size(); ++size) {
    EXPECT_THROW(load_values(source.entries(), std::span(saved).first(size)), Error) << size;
  }
}

TEST(ValueBlock, IsComparedByName) {
  int step = 3;
  std::string cursor = "shard 7";
  const auto saved = [&] {
    Tracker tracker;
    tracker.add("step", Trackable<int>::make(step));
    tracker.add("cursor", Trackable<std::string>::make(cursor));
    return save_values(tracker.entries());
  };
  const auto before = saved();
  EXPECT_THAT(differing_values(before, saved()), ::testing::IsEmpty());
  cursor = "shard 8";
  EXPECT_THAT(differing_values(before, saved()), ::testing::ElementsAre("cursor"));
  Tracker other;
  other.add("step", Trackable<int>::make(step));
  EXPECT_THROW(std::ignore = differing_values(before, save_values(other.entries())), Error);
}

/// A thing that is loaded behind all others, and refuses what it is given.
class RefusesAtLast final : public TrackedState {
 public:
  [[nodiscard]] bool loads_last() const override { return true; }
  void load(std::span<const std::byte> /*bytes*/) override {
    throw std::invalid_argument("another kind of generator");
  }
};

TEST(ValueBlock, NamesAThingThatIsLoadedLastAndRefuses) {
  Tracker tracker;
  tracker.add("rng", std::make_unique<RefusesAtLast>());
  const auto saved = save_values(tracker.entries());
  try {
    load_values(tracker.entries(), saved);
    ADD_FAILURE() << "it was loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::layout_differs);
    EXPECT_EQ(error.failure(), "'rng': another kind of generator");
  }
}

/// A thing that saves more than a value may have.
class Large final : public TrackedState {
 public:
  [[nodiscard]] std::vector<std::byte> save() override {
    return std::vector<std::byte>(kValueBytesMax + 1);
  }
};

TEST(ValueBlock, NamesAThingThatIsTooLargeToBeAValue) {
  Tracker tracker;
  tracker.add("data", std::make_unique<Large>());
  try {
    std::ignore = save_values(tracker.entries());
    FAIL() << "it was saved";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.failure(), ::testing::StartsWith("'data' saves"));
  }
  EXPECT_GT(save_values_without_gradients(tracker.entries()).size(), kValueBytesMax);
}

/// A thing that loads after all others, and notes that it did.
class Last final : public TrackedState {
 public:
  Last(std::vector<int>& order, bool last) : order_(order), last_(last) {}
  void load(std::span<const std::byte>) override { order_.push_back(last_ ? 2 : 1); }
  [[nodiscard]] bool loads_last() const override { return last_; }

 private:
  std::vector<int>& order_;
  const bool last_;
};

TEST(ValueBlock, IsLoadedIntoWhatIsDisturbedByOthersBehindThem) {
  std::vector<int> order;
  Tracker tracker;
  tracker.add("generator", std::make_unique<Last>(order, true));
  tracker.add("other", std::make_unique<Last>(order, false));
  load_values(tracker.entries(), save_values(tracker.entries()));
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2));
}

}  // namespace
}  // namespace cardswap
