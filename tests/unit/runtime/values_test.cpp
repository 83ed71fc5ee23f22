#include "cardswap/values.h"

#include <gmock/gmock.h>

#include <random>

#include "runtime/tracker.h"

namespace cardswap {
namespace {

template <class T>
std::vector<std::byte> saved(T& value) {
  return Trackable<T>::make(value)->save();
}
template <class T>
T loaded(const std::vector<std::byte>& bytes, T into) {
  Trackable<T>::make(into)->load(bytes);
  return into;
}

template <class Random>
class RandomText : public ::testing::Test {};
using Engines =
    ::testing::Types<std::mt19937, std::mt19937_64, std::minstd_rand, std::ranlux48, std::knuth_b,
                     std::independent_bits_engine<std::mt19937, 7, std::uint32_t>>;
TYPED_TEST_SUITE(RandomText, Engines);

TYPED_TEST(RandomText, AnEngineGoesOnWhereTheOtherOneWas) {
  TypeParam engine(5);
  engine.discard(1001);
  const auto bytes = saved(engine);
  auto other = loaded(bytes, TypeParam(6));
  EXPECT_EQ(saved(other), bytes);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(other(), engine());
}

TEST(Values, ADistributionKeepsItsSecondNormal) {
  std::mt19937 engine(3);
  std::normal_distribution<double> normal(0.1, 1.0 / 3);
  (void)normal(engine);
  auto other = loaded(saved(normal), std::normal_distribution<double>());
  auto copy = engine;
  EXPECT_EQ(other(copy), normal(engine));
  EXPECT_EQ(copy, engine);
  EXPECT_EQ(other(copy), normal(engine));
}

TEST(Values, AnEngineRefusesAnotherText) {
  std::mt19937 engine;
  std::minstd_rand small;
  EXPECT_THROW(loaded(saved(small), engine), std::invalid_argument);
  auto bytes = saved(engine);
  bytes.back() = std::byte{'x'};
  EXPECT_THROW(loaded(bytes, engine), std::invalid_argument);
}

TEST(Values, TextIsTheSameUnderAnotherLocale) {
  struct Grouped : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  std::mt19937 engine(9);
  const auto bytes = saved(engine);
  const std::locale before = std::locale::global(std::locale(std::locale(), new Grouped));
  const auto grouped = saved(engine);
  const auto other = loaded(bytes, std::mt19937(1));
  std::locale::global(before);
  EXPECT_EQ(grouped, bytes);
  EXPECT_EQ(other, engine);
}

TEST(Values, ContainersComeBackAsTheyWere) {
  const auto comes_back = [](auto value) {
    using T = decltype(value);
    const auto bytes = saved(value);
    auto other = loaded(bytes, T{});
    EXPECT_EQ(other, value);
    EXPECT_EQ(saved(other), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
      EXPECT_THROW(loaded(cut, T{}), std::invalid_argument) << size;
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    EXPECT_THROW(loaded(longer, T{}), std::invalid_argument);
  };
  comes_back(std::map<std::string, std::vector<double>>{{"a", {1, 2}}, {"", {}}, {"b", {0.1}}});
  comes_back(std::unordered_map<int, std::string>{{1, "one"}, {-7, "seven"}, {300, ""}});
  comes_back(std::set<std::int64_t>{5, -5});
  comes_back(std::unordered_set<std::string>{"x", "y"});
  comes_back(std::deque<float>{1.5F, 2.5F});
  comes_back(std::vector<bool>{true, false, true});
  comes_back(std::vector<std::string>{"", "two"});
  comes_back(std::array<std::optional<int>, 2>{std::nullopt, 3});
  comes_back(std::pair<int, std::string>{1, "b"});
  comes_back(std::vector<std::minstd_rand>{std::minstd_rand(1), std::minstd_rand(2)});
}

TEST(Values, ACountIsBoundedByWhatIsThere) {
  std::vector<std::byte> huge(8, std::byte{0xff});
  EXPECT_THROW(loaded(huge, std::vector<std::string>{}), std::invalid_argument);
  EXPECT_THROW(loaded(huge, std::map<int, int>{}), std::invalid_argument);
}

TEST(Values, EqualTablesSaveEqualBytes) {
  std::unordered_map<int, int> one;
  std::unordered_map<int, int> other(1000);
  for (int i = 0; i < 50; ++i) one[i] = other[49 - i] = 0;
  EXPECT_EQ(saved(one), saved(other));
}

struct Own {
  int value = 0;
  std::vector<std::byte> save() const { return {std::byte(value)}; }
  void load(std::span<const std::byte> bytes) { value = std::to_integer<int>(bytes[0]); }
};

TEST(Values, ATypeThatSavesItselfIsTracked) {
  Own own{7};
  EXPECT_EQ(loaded(saved(own), Own{}).value, 7);
}

TEST(Growth, AStandbyGrowsUntilItHasAsMuchAsItsSource) {
  std::uint64_t here = 3;
  std::uint64_t there = 1;
  Tracker source;
  source.add("groups", tracked_growth(here, [&] { ++here; }));
  Tracker target;
  target.add("groups", tracked_growth(there, [&] { ++there; }));
  EXPECT_NE(source.state_view().layout, target.state_view().layout);
  EXPECT_EQ(target.adopt(source.state_view().layout).layout, source.state_view().layout);
  EXPECT_EQ(there, 3U);
  EXPECT_EQ(here, 3U);
}

TEST(Growth, ASourceOfMorePartsThanCanBeGrownToIsRefused) {
  std::uint64_t here = 100'000;
  std::uint64_t there = 1;
  Tracker source;
  source.add("groups", tracked_growth(here, [&] { ++here; }));
  Tracker target;
  target.add("groups", tracked_growth(there, [&] { ++there; }));
  EXPECT_THROW((void)target.adopt(source.state_view().layout), Error);
  EXPECT_EQ(there, 1U);
}

TEST(Growth, OneThatDoesNotCountIsNoEndlessLoop) {
  std::uint64_t here = 2;
  std::uint64_t there = 1;
  Tracker source;
  source.add("groups", tracked_growth(here, [] {}));
  Tracker target;
  target.add("groups", tracked_growth(there, [] {}));
  EXPECT_ANY_THROW((void)target.adopt(source.state_view().layout));
}

}  // namespace
}  // namespace cardswap
