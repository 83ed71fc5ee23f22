#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/session/foreign_session.h"
#include "tests/unit/runtime/one_trainer.h"

namespace cardswap::test {

inline const std::string kGang = "g-1";
inline constexpr std::uint32_t kRanks = 3;

/// What happens to the communicators of the program, as the test wants it.
struct Played : Notes {
  std::vector<std::string> calls;  // in note() and look()
  std::vector<std::uint32_t> moved;
  std::string fails;             // the call that fails
  bool fails_foreignly = false;  // with an exception that is not ours
  std::string stands_in;  // the call that waits until the test lets it go on or its gang is over
  Session* session = nullptr;

  bool is_called(const std::string& name) {
    return within(20s, [&] { return std::ranges::find(calls, name) != calls.end(); });
  }
  void let_go() {
    note([&] { stands_in.clear(); });
  }
};

class PlayedCommunicators final : public Communicators {
 public:
  explicit PlayedCommunicators(Played& played) : played_(played) {}
  void build(const NextRanks& next) override {
    epoch_ = next.epoch;
    played_.note([&] { played_.moved = next.moved; });
    call("build " + std::to_string(next.epoch) + " at " + next.rendezvous);
  }
  void roll_back() override { call("roll_back"); }
  void close_old() override { call("close_old"); }
  void trip() override { call("trip"); }
  void exchange() override { call("exchange"); }
  CommunicatorTimes took() override { return {30, 2}; }

 private:
  void call(const std::string& name) {
    played_.note([&] { played_.calls.push_back(name); });
    const auto first = name.substr(0, name.find(' '));
    const auto is_free = [&] {
      return played_.stands_in != first || ForeignSession::is_given_up(*played_.session, epoch_);
    };
    while (!played_.within(5ms, is_free)) {
    }
    if (played_.look([&] { return played_.fails == first; })) {
      if (played_.fails_foreignly) throw std::runtime_error(first + " fails");
      throw Error(Code::refused, first + " fails", "look");
    }
  }

  Played& played_;
  std::atomic<std::uint64_t> epoch_{0};
};

/// A rank of three. The agent is played by the test, and so are the program's communicators.
class InAGang : public Roles {
 protected:
  InAGang() {
    begin_program_ = [this](Session& session) {
      played_.note([&] { played_.session = &session; });
      ForeignSession::set_ranks(session, 1, kRanks, std::make_unique<PlayedCommunicators>(played_));
    };
  }
  ~InAGang() override {
    played_.let_go();
    end_loop();  // before what its communicators tell is gone
  }

  static channel::BuildNext build_next(const std::string& gang = kGang, std::uint64_t epoch = 2) {
    return {gang, epoch, "10.0.0.4:7002", kRanks, {2}};
  }
  void build() {
    job_->line.say(build_next());
    EXPECT_EQ(job_->line.hear<channel::NextBuilt>().gang, kGang);
  }
  /// The step at which it stands from now on.
  std::uint64_t stand() {
    const auto step = steps_ + 100;
    job_->line.say(channel::Arm{kGang, step});
    EXPECT_EQ(job_->line.hear<channel::Armed>(), (channel::Armed{kGang, step}));
    EXPECT_EQ(job_->line.hear<channel::Reached>(), (channel::Reached{kGang, step}));
    return step;
  }
  void check() {
    job_->line.say(channel::Check{kGang});
    (void)job_->line.hear<channel::Checked>();
  }
  void expect_released() {
    job_->line.say(channel::Release{kGang});
    EXPECT_EQ(job_->line.hear<channel::Released>().migration, kGang);
    EXPECT_TRUE(trains());
    EXPECT_THAT(calls(), ::testing::Contains("roll_back"));
    EXPECT_THAT(calls(), ::testing::Not(::testing::Contains("exchange")));
  }
  std::vector<std::string> calls() {
    return played_.look([&] { return played_.calls; });
  }

  Played played_;
};

}  // namespace cardswap::test
