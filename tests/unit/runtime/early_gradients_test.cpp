/// Method: a session in this process whose optimizer says whether somebody listens to its
/// gradients, and the other end of the data plane as an engine beside it.

#include <gmock/gmock.h>

#include "tests/unit/runtime/one_trainer.h"

namespace cardswap {
namespace test {
namespace {

/// An optimizer whose step changes nothing.
struct Idle {
  void step() {}

  std::shared_ptr<std::vector<std::byte>> memory =
      std::make_shared<std::vector<std::byte>>(64 * kKiB, std::byte(5));
  std::atomic<bool> is_listened_to{false};
};

/// How it is tracked.
class IdleState final : public TrackedState, public ReplayableOptimizer {
 public:
  explicit IdleState(Idle& optimizer) : optimizer_(optimizer) {}
  void regions(std::vector<TrackedRegion>& out) override {
    const auto& memory = optimizer_.memory;
    out.push_back({"0", "bytes", "", *memory, memory->data(), memory});
  }
  ReplayableOptimizer* replayable() override { return this; }

  [[nodiscard]] bool is(const void* optimizer) const override { return optimizer == &optimizer_; }
  std::vector<std::vector<const void*>> rewritten() override {
    return {{optimizer_.memory->data()}};
  }
  TrackedUpdate capture() override {
    const auto gradient = std::make_shared<std::vector<std::byte>>(optimizer_.memory->size());
    return {{}, {{0, *gradient, gradient, nullptr}}};
  }
  void give_early(GradientSink sink) override { optimizer_.is_listened_to = sink != nullptr; }
  void replay(const TrackedUpdate&) override {}

 private:
  Idle& optimizer_;
};

}  // namespace
}  // namespace test

template <>
struct Trackable<test::Idle> {
  static std::unique_ptr<TrackedState> make(test::Idle& optimizer) {
    return std::make_unique<test::IdleState>(optimizer);
  }
};

namespace test {
namespace {

class ListeningToGradients : public Roles {
 protected:
  ListeningToGradients() {
    begin_program_ = [this](Session& session) { session.track("optimizer", idle_); };
    take_step_ = [this](Session& session) { return session.step(idle_); };
  }
  ~ListeningToGradients() override { end_loop(); }
  void begin_replay(const std::string& migration) {
    listen(migration);
    auto wanted = begin(migration);
    wanted.spec.strategy = Strategy::replay;
    job_->line.say(wanted);
    EXPECT_TRUE(within(20s, [&] { return idle_.is_listened_to.load(); })) << migration;
  }

  Idle idle_;
};

TEST_F(ListeningToGradients, EndsWithTheMigration) {
  open_primary(256 * kKiB);
  EXPECT_TRUE(trains());
  EXPECT_FALSE(idle_.is_listened_to) << "nobody has asked";
  for (const auto* migration : {"m-1", "m-2"}) {  // it is no last time
    begin_replay(migration);
    job_->line.say(channel::Release{migration});
    (void)job_->line.hear<channel::Released>();
    EXPECT_TRUE(within(20s, [&] { return !idle_.is_listened_to; })) << migration;
    EXPECT_TRUE(trains());
  }
}

TEST_F(ListeningToGradients, EndsAlsoWithOneThatStood) {
  open_primary(256 * kKiB);
  begin_replay(kMigration);
  (void)job_->line.hear<channel::Converged>();
  job_->line.say(channel::Freeze{kMigration});
  (void)job_->line.hear<channel::Verified>();
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  EXPECT_TRUE(within(20s, [&] { return !idle_.is_listened_to; }));
  EXPECT_TRUE(trains());
}

}  // namespace
}  // namespace test
}  // namespace cardswap
