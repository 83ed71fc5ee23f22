/// Method: both ends of a migration in one process, over real UCX on loopback. The source holds the
/// state of some step and what the steps after it have read, as a snapshot and a gradient log have
/// it; another copy of the program has taken these steps, and says what is to come out.

#include <gmock/gmock.h>

#include <deque>

#include "migrator/engine/logged_updates.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "migrator/wire/data_messages.h"
#include "tests/support/experts.h"
#include "tests/support/notes.h"

namespace cardswap {
namespace {

using std::chrono::seconds;
using test::Bytes;
using ::testing::HasSubstr;

constexpr std::uint64_t kLoggedSteps = 12;
constexpr std::size_t kParameterBytes = 300'000;  // of several pieces

/// The updates of some steps, each of all parameters, and the state to which they lead.
class LoggedProgram final : public SourceProgram, public LoggedUpdates {
 public:
  explicit LoggedProgram(const test::Experts& base) : base_(base.view()) {}

  StateView state_view() override { return base_; }
  std::uint64_t step() override { return kLoggedSteps; }
  double median_step_ms() override { return 0; }
  bool takes_no_steps() override { return true; }
  LoggedUpdates* logged_updates() override { return this; }

  std::optional<UpdateEntry> next() override {
    if (entries.empty()) return std::nullopt;
    auto entry = std::move(entries.front());
    entries.pop_front();
    return entry;
  }
  [[nodiscard]] Digest state_digest() const override { return leads_to; }

  std::deque<UpdateEntry> entries;
  Digest leads_to;

 private:
  const StateView base_;
};

class LoggedSendTest : public ::testing::Test, protected test::Notes {
 protected:
  LoggedSendTest() {
    for (std::uint64_t step = 1; step <= kLoggedSteps; ++step) {
      program_.entries.push_back(take_step(lived_, step));
    }
    const auto view = lived_.view();
    std::vector<Digest> digests;
    for (const auto& chunk : cut_into_chunks(view.layout, spec_.chunk_bytes)) {
      digests.push_back(digest_of(range_of(view, chunk).bytes));
    }
    program_.leads_to = data::state_digest_of(view.layout, digests, digest_of(values_));
  }
  static test::Experts with_states() {
    test::Experts experts(std::vector<std::size_t>(kParameters, kParameterBytes), 31);
    take_step(experts, 0);
    return experts;
  }
  static UpdateEntry take_step(test::Experts& experts, std::uint64_t step) {
    UpdateEntry entry;
    entry.step = step;
    entry.options = experts.options();
    for (std::size_t i = 0; i < kParameters; ++i) {
      auto gradient = std::make_shared<Bytes>(kParameterBytes);
      for (std::size_t at = 0; at < gradient->size(); ++at) {
        (*gradient)[at] = static_cast<std::byte>(at * (step + 3) + i);
      }
      experts.update(i, *gradient);
      entry.gradients.push_back({static_cast<ParameterId>(i), *gradient, gradient});
    }
    return entry;
  }
  /// False: a side has failed.
  bool moves() {
    const auto failed = [this](const Error& error) {
      note([&] {
        if (!error_) error_ = error;
      });
    };
    target_.emplace(TargetOptions{"m", "127.0.0.1", "token", "", seconds(10)}, standby_,
                    TargetCallbacks{[this](const VerifiedState& state) {
                                      note([&] { held_ = state.state_digest; });
                                    },
                                    failed});
    SourceOptions options;
    options.migration = "m";
    options.host = "127.0.0.1";
    options.port = target_->port();
    options.token = "token";
    options.spec = spec_;
    options.silence_max = seconds(10);
    source_.emplace(
        options, program_,
        SourceCallbacks{
            [](const MigrationStats&) {}, [this](double) { note([&] { converged_ = true; }); },
            [this](const Digest& digest, const MigrationStats&) { note([&] { sent_ = digest; }); },
            failed});
    if (!within(seconds(30), [&] { return converged_ || error_; }) || error_) return false;
    FrozenState state;
    state.state_view = program_.state_view();
    state.values = values_;
    state.step = kLoggedSteps;
    source_->freeze(std::move(state));
    return within(seconds(30), [&] { return (sent_ && held_) || error_; }) && !error_;
  }

  static constexpr std::size_t kParameters = 3;
  MigrationSpec spec_ = [] {
    MigrationSpec spec;
    spec.strategy = Strategy::stop_copy;
    spec.chunk_bytes = 65'536;
    spec.max_stall_ms = 0;
    return spec;
  }();
  const Bytes values_{std::byte{7}, std::byte{8}};
  test::Experts base_ = with_states();
  test::Experts lived_ = with_states();
  test::Experts target_experts_{std::vector<std::size_t>(kParameters, kParameterBytes), 17};
  LoggedProgram program_{base_};
  test::Standby standby_{target_experts_};
  bool converged_ = false;
  std::optional<Digest> sent_;
  std::optional<Digest> held_;
  std::optional<Error> error_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

TEST_F(LoggedSendTest, BringsTheTargetToAStateThatItsSourceDoesNotHold) {
  ASSERT_TRUE(moves()) << (error_ ? error_->what() : "the time was over");
  EXPECT_EQ(*sent_, program_.leads_to);
  EXPECT_EQ(*held_, program_.leads_to);
  const auto held = target_experts_.view();
  const auto lived = lived_.view();
  ASSERT_EQ(held.memory.size(), lived.memory.size());
  for (std::size_t i = 0; i < held.memory.size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(held.memory[i], lived.memory[i])) << i;
  }
}

TEST_F(LoggedSendTest, VerifiesNothingWhereTheUpdatesLeadElsewhere) {
  program_.entries.pop_back();
  EXPECT_FALSE(moves());
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->code(), Code::digest_mismatch);
  EXPECT_THAT(error_->what(), HasSubstr("did not lead to the state that the job had"));
  EXPECT_FALSE(sent_);
  EXPECT_FALSE(held_);
}

}  // namespace
}  // namespace cardswap
