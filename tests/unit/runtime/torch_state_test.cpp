#include <ATen/CPUGeneratorImpl.h>
#include <cardswap/torch.h>
#include <gmock/gmock.h>

#include <cmath>
#include <span>

#include "runtime/tracker.h"
#include "runtime/value_block.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;
namespace optim = torch::optim;
namespace samplers = torch::data::samplers;

/// What a migration does with one tracked thing: the standby adopts, takes the bytes and the
/// values.
template <class T>
void move(T& from, T& to) {
  Tracker source;
  source.add("it", Trackable<T>::make(from));
  Tracker target;
  target.add("it", Trackable<T>::make(to));
  const auto here = source.state_view();
  const auto there = target.adopt(here.layout);
  ASSERT_EQ(there.layout, here.layout)
      << testing::PrintToString(differences(here.layout, there.layout));
  for (std::size_t i = 0; i < here.memory.size(); ++i) {
    if (!here.memory[i].empty()) {
      std::memcpy(there.memory[i].data(), here.memory[i].data(), here.memory[i].size());
    }
  }
  load_values(target.entries(), save_values(source.entries()));
  EXPECT_EQ(target.digest(), source.digest());
}

TEST(LooseTensor, ArrivesAlsoWhereTheStandbyHasAnotherOneOrNone) {
  for (auto to : {torch::zeros({2, 3}), torch::zeros({5}, torch::kLong), torch::Tensor()}) {
    auto from = torch::randn({2, 3});
    move(from, to);
    EXPECT_TRUE(torch::equal(from, to));
  }
}

TEST(LooseTensor, OneThatIsGoneIsGoneThere) {
  torch::Tensor none;
  auto some = torch::ones({3});
  move(none, some);
  EXPECT_FALSE(some.defined());
}

TEST(LooseTensor, KeepsItsPlaceInTheStorage) {
  const auto storage = torch::randn({6, 4});
  auto from = storage.slice(0, 1, 5, 2).t();
  const auto other = torch::zeros({6, 4});
  auto to = other.slice(0, 0, 2);
  move(from, to);
  EXPECT_TRUE(torch::equal(from, to));
  EXPECT_EQ(from.strides(), to.strides());
  EXPECT_TRUE(torch::equal(storage, other));  // all of it is state
}

TEST(LooseTensor, AssignedAnewIsWhatTheVariableHolds) {
  auto from = torch::zeros({3});
  Tracker tracker;
  tracker.add("it", Trackable<torch::Tensor>::make(from));
  const auto before = tracker.digest();
  from = torch::ones({3});
  EXPECT_NE(tracker.digest(), before);
}

TEST(LooseTensor, AParameterKeepsItsIdentity) {
  auto from = torch::randn({2, 2}).requires_grad_();
  auto to = torch::randn({2, 2}).requires_grad_();
  const auto* identity = to.unsafeGetTensorImpl();
  move(from, to);
  EXPECT_EQ(to.unsafeGetTensorImpl(), identity);
  EXPECT_TRUE(torch::equal(from, to));
}

TEST(LooseTensor, OneThatIsPartOfAGraphIsRefused) {
  auto tensor = torch::ones({2}).requires_grad_() * 2;
  const auto tracked = Trackable<torch::Tensor>::make(tensor);
  try {
    (void)tracked->save();
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("detach()"));
  }
}

TEST(LooseTensors, TheirNumberAndEachOfThemArrives) {
  std::vector<torch::Tensor> from{torch::randn({2}), torch::Tensor(), torch::randn({4})};
  std::vector<torch::Tensor> to{torch::zeros({2})};
  move(from, to);
  ASSERT_EQ(to.size(), 3U);
  EXPECT_TRUE(torch::equal(from[0], to[0]));
  EXPECT_FALSE(to[1].defined());
  EXPECT_TRUE(torch::equal(from[2], to[2]));
  from.clear();
  move(from, to);
  EXPECT_TRUE(to.empty());
}

TEST(OwnGenerator, GoesOnWhereTheOtherOneWas) {
  auto from = at::make_generator<at::CPUGeneratorImpl>(3);
  auto to = at::make_generator<at::CPUGeneratorImpl>(4);
  (void)torch::randn({5}, from);
  move(from, to);
  EXPECT_TRUE(torch::equal(torch::randn({5}, from), torch::randn({5}, to)));
  at::Generator none;
  EXPECT_THROW((void)Trackable<at::Generator>::make(none), std::invalid_argument);
}

/// The rates of 50 steps to come.
template <class Step>
std::vector<double> rates(optim::SGD& optimizer, Step step) {
  std::vector<double> result;
  for (int i = 0; i < 50; ++i) {
    step(i);
    result.push_back(optimizer.param_groups()[0].options().get_lr());
  }
  return result;
}

struct Rated {
  torch::Tensor weight = torch::ones({1}).requires_grad_();
  optim::SGD optimizer{std::vector<torch::Tensor>{weight}, optim::SGDOptions(1.0)};
};

TEST(Schedules, StepLRDropsTheRateAtTheSameStep) {
  Rated a, b, forgotten;
  optim::StepLR from(a.optimizer, 20, 0.5), to(b.optimizer, 20, 0.5),
      other(forgotten.optimizer, 20, 0.5);
  for (int i = 0; i < 13; ++i) from.step();
  move(from, to);
  const auto expected = rates(a.optimizer, [&](int) { from.step(); });
  EXPECT_EQ(rates(b.optimizer, [&](int) { to.step(); }), expected);
  EXPECT_NE(rates(forgotten.optimizer, [&](int) { other.step(); }), expected);
}

TEST(Schedules, ReduceLROnPlateauWaitsAsLong) {
  using Plateau = optim::ReduceLROnPlateauScheduler;
  Rated a, b, forgotten;
  const auto make = [](Rated& of) {
    return Plateau(of.optimizer, Plateau::min, 0.5F, 6, 1e-4, Plateau::rel, 3);
  };
  auto from = make(a), to = make(b), other = make(forgotten);
  for (int i = 0; i < 10; ++i) from.step(i < 2 ? 1.0F - 0.1F * static_cast<float>(i) : 0.95F);
  for (auto* rated : {&b, &forgotten}) {
    rated->optimizer.param_groups()[0].options().set_lr(
        a.optimizer.param_groups()[0].options().get_lr());
  }
  move(from, to);
  const auto expected = rates(a.optimizer, [&](int) { from.step(0.95F); });
  EXPECT_EQ(rates(b.optimizer, [&](int) { to.step(0.95F); }), expected);
  EXPECT_NE(rates(forgotten.optimizer, [&](int) { other.step(0.95F); }), expected);
}

/// What it has seen no metric for begins with the worst one, the greatest of all floats.
TEST(Schedules, ReduceLROnPlateauMovesBeforeItsFirstStep) {
  using Plateau = optim::ReduceLROnPlateauScheduler;
  Rated a, b;
  Plateau from(a.optimizer), to(b.optimizer);
  to.step(0.5F);
  ASSERT_NE(Trackable<Plateau>::make(to)->save(), Trackable<Plateau>::make(from)->save());
  move(from, to);
  EXPECT_EQ(Trackable<Plateau>::make(to)->save(), Trackable<Plateau>::make(from)->save());
}

TEST(Schedules, OtherSettingsAreRefused) {
  Rated a, b;
  optim::StepLR from(a.optimizer, 20, 0.5), to(b.optimizer, 21, 0.5);
  EXPECT_THROW(
      Trackable<optim::StepLR>::make(to)->load(Trackable<optim::StepLR>::make(from)->save()),
      std::invalid_argument);
  optim::ReduceLROnPlateauScheduler one(a.optimizer), two(b.optimizer, {}, 0.2F);
  using T = Trackable<optim::ReduceLROnPlateauScheduler>;
  EXPECT_THROW(T::make(two)->load(T::make(one)->save()), std::invalid_argument);
}

class Warmup : public optim::LRScheduler {
 public:
  using LRScheduler::LRScheduler;

 protected:
  std::vector<double> get_lrs() override { return {std::min(1.0, 0.02 * step_count_)}; }
};
class Bouncing : public Warmup {
 public:
  using Warmup::Warmup;
  std::vector<std::byte> save() const { return {std::byte(high)}; }
  void load(std::span<const std::byte> bytes) { high = bytes[0] == std::byte{1}; }
  bool high = false;

 private:
  std::vector<double> get_lrs() override { return {(high = !high) ? 1.0 : 0.1 * step_count_}; }
};

TEST(Schedules, AnUnknownOneIsRefusedByName) {
  Rated a;
  Warmup warmup(a.optimizer);
  class Derived : public optim::StepLR {
    using StepLR::StepLR;
  } derived(a.optimizer, 3, 0.1);
  optim::LRScheduler& base = derived;
  try {
    (void)Trackable<Warmup>::make(warmup);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("Warmup"));
    EXPECT_THAT(error.what(), HasSubstr("tracked_step_count"));
  }
  EXPECT_THROW((void)Trackable<optim::LRScheduler>::make(base), std::invalid_argument);
}

TEST(Schedules, OnesOwnGoesWithItsCountOrSavesTheRest) {
  Rated a, b;
  Warmup from(a.optimizer), to(b.optimizer);
  for (int i = 0; i < 7; ++i) from.step();
  tracked_step_count(to)->load(tracked_step_count(from)->save());
  EXPECT_EQ(rates(a.optimizer, [&](int) { from.step(); }),
            rates(b.optimizer, [&](int) { to.step(); }));
  Bouncing one(a.optimizer), two(b.optimizer);
  for (int i = 0; i < 7; ++i) one.step();
  move(one, two);
  EXPECT_EQ(rates(a.optimizer, [&](int) { one.step(); }),
            rates(b.optimizer, [&](int) { two.step(); }));
}

template <class Sampler>
void goes_on(Sampler from, Sampler to) {
  for (int i = 0; i < 3; ++i) (void)from.next(4);
  move(from, to);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(from.next(4), to.next(4));
}

TEST(Samplers, GoOnWhereTheOtherOneWas) {
  goes_on(samplers::SequentialSampler(40), samplers::SequentialSampler(40));
  goes_on(samplers::RandomSampler(40), samplers::RandomSampler(40));
  goes_on(samplers::StreamSampler(40), samplers::StreamSampler(40));
  samplers::DistributedRandomSampler random(80, 2, 1);
  random.set_epoch(3);
  random.reset();
  goes_on(random, samplers::DistributedRandomSampler(80, 2, 1));
  samplers::DistributedSequentialSampler sequential(80, 2, 1);
  goes_on(sequential, samplers::DistributedSequentialSampler(80, 2, 1));
}

/// A gradient that is zeroed in place, or never, is written to while the line still has it.
TEST(CapturedUpdate, IsOfItsStepWhateverBecomesOfItsGradients) {
  auto weight = torch::ones({4}).requires_grad_();
  optim::SGD optimizer({weight}, optim::SGDOptions(0.1));
  const auto tracked = Trackable<optim::SGD>::make(optimizer);
  auto* replayable = tracked->replayable();
  weight.square().sum().backward();
  replayable->before_step();
  optimizer.step();
  optimizer.zero_grad(/*set_to_none=*/false);
  (weight * 3).sum().backward();
  replayable->before_step();
  const auto update = replayable->capture();
  optimizer.step();
  optimizer.zero_grad(/*set_to_none=*/false);
  ASSERT_EQ(update.gradients.size(), 1U);
  const auto* sent = reinterpret_cast<const float*>(update.gradients[0].memory.data());
  EXPECT_THAT(std::span(sent, 4), ::testing::Each(3.0F));
}

/// An optimizer's gradients as they are given early.
struct EarlyGradients {
  torch::Tensor first = torch::ones({1024}).requires_grad_();
  torch::Tensor second = torch::ones({1024}).requires_grad_();
  torch::Tensor small = torch::ones({4}).requires_grad_();
  optim::SGD optimizer{{first, second, small}, optim::SGDOptions(0.1)};
  std::unique_ptr<TrackedState> tracked = Trackable<optim::SGD>::make(optimizer);
  std::vector<std::pair<std::uint32_t, float>> given;  // the parameter, and its gradient's first

  EarlyGradients() {
    tracked->replayable()->give_early(
        [this](std::uint32_t parameter, std::uint64_t bytes, const auto& copy) {
          const auto gradient = copy();
          EXPECT_EQ(gradient.parameter, parameter);
          EXPECT_EQ(gradient.memory.size(), bytes);
          given.emplace_back(parameter, *reinterpret_cast<const float*>(gradient.memory.data()));
        });
  }
  void step() {
    (void)tracked->replayable()->capture();
    optimizer.step();
    optimizer.zero_grad();
  }
};

TEST(EarlyGradient, IsGivenAsItIsOnceAStepWasSeen) {
  EarlyGradients all;
  const auto pass = [&] { (all.first * 2 + all.second * 3 + all.small.sum()).sum().backward(); };
  pass();
  EXPECT_TRUE(all.given.empty()) << "how many passes a step has is not known";
  all.step();
  pass();
  EXPECT_THAT(all.given, ::testing::UnorderedElementsAre(std::pair{0U, 2.0F}, std::pair{1U, 3.0F}))
      << "and a small one goes with its step";
}

TEST(EarlyGradient, IsGivenAtTheLastPassOfAStep) {
  EarlyGradients all;
  for (int step = 0; step < 3; ++step) {
    all.given.clear();
    for (int pass = 0; pass < 3; ++pass) {
      EXPECT_TRUE(all.given.empty()) << step << " " << pass;
      (all.first * (pass + 1)).sum().backward();
    }
    if (step > 0) {
      EXPECT_THAT(all.given, ::testing::ElementsAre(std::pair{0U, 6.0F}));
    }
    all.step();
  }
}

TEST(EarlyGradient, IsNotGivenWhereItIsNoDenseTensorLikeItsParameter) {
  auto table = torch::ones({64, 32}).requires_grad_();
  optim::SGD optimizer({table}, optim::SGDOptions(0.1));
  const auto tracked = Trackable<optim::SGD>::make(optimizer);
  int given = 0;
  tracked->replayable()->give_early([&](auto, auto, const auto&) { ++given; });
  for (int step = 0; step < 2; ++step) {
    torch::nn::functional::embedding(torch::tensor({1, 2}), table,
                                     torch::nn::functional::EmbeddingFuncOptions().sparse(true))
        .sum()
        .backward();
    (void)tracked->replayable()->capture();
    optimizer.zero_grad();
  }
  EXPECT_EQ(given, 0);
}

/// Such as no memory for the copy: the loop never hears of it.
TEST(EarlyGradient, ThatCannotBeTakenDisturbsNoBackwardPass) {
  EarlyGradients all;
  all.tracked->replayable()->give_early(
      [](auto, auto, const auto&) { throw std::runtime_error("no memory"); });
  for (int step = 0; step < 2; ++step) {
    EXPECT_NO_THROW(all.first.sum().backward());
    all.step();
  }
  all.tracked->replayable()->give_early({});
  all.tracked.reset();
  EXPECT_NO_THROW(all.first.sum().backward()) << "its hooks are gone";
}

TEST(Lbfgs, GoesOnWithItsHistory) {
  struct Fit {
    torch::Tensor weight = torch::ones({5}).requires_grad_();
    optim::LBFGS optimizer{std::vector<torch::Tensor>{weight},
                           optim::LBFGSOptions(0.1).max_iter(3).history_size(4)};
    double step() {
      return optimizer
          .step([&] {
            optimizer.zero_grad();
            auto loss = (weight - torch::arange(5)).pow(4).sum() + weight.prod().square();
            loss.backward();
            return loss;
          })
          .item<double>();
    }
  };
  for (const int before : {0, 3, 5}) {
    Fit from, to, forgotten;
    for (int i = 0; i < before; ++i) from.step();
    to.step();
    forgotten.step();
    move(from.optimizer, to.optimizer);
    {
      const torch::NoGradGuard no_grad;
      to.weight.copy_(from.weight);
      forgotten.weight.copy_(from.weight);
    }
    bool missed = false;
    for (int i = 0; i < 5; ++i) {
      const auto expected = from.step();
      EXPECT_EQ(to.step(), expected) << before;
      missed = missed || forgotten.step() != expected;
    }
    EXPECT_TRUE(missed) << before;
  }
}

}  // namespace
}  // namespace cardswap
