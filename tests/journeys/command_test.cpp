// What an operator types from another machine, and how it ends.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "tests/journeys/fleet_of_two.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Command : public FleetOfTwo {
 protected:
  std::string migration_in(const std::string& state) const {
    std::string id;
    EXPECT_TRUE(within(20s, [&] {
      const auto answer = a_->ask({"status"});
      for (const auto& item : answer.at("migrations").as_array()) {
        if (text(item.as_object(), "state") == state) id = text(item.as_object(), "id");
      }
      return !id.empty();
    })) << a_->log();
    return id;
  }
};

TEST_F(Command, ThatIsInterruptedCancelsByHostName) {
  a_->run_trainer("job");
  for (const int signal : {SIGINT, SIGTERM}) {
    auto command = ops_->start(typed({"--agent", "gpu-a:7070", "migrate", "job", "--to",
                                      "gpu-b/cpu:0", "--hold-at", "syncing"}),
                               (dir_.path() / "typed").string());
    const auto id = migration_in("syncing");
    ASSERT_FALSE(id.empty());
    const int typed_one = Machine::inside(command);
    ASSERT_GT(typed_one, 0) << "it ended by itself";  // 0 would be this test's own group
    ::kill(typed_one, signal);
    ASSERT_TRUE(within(20s, [&] { return command.ended(); })) << "signal " << signal;
    EXPECT_EQ(command.wait(), 4) << "signal " << signal;
    EXPECT_TRUE(within(20s, [&] {
      return text(a_->ask({"status", id}), "state") == "aborted";
    })) << a_->log();
    EXPECT_TRUE(a_->steps_again_within("job", 5s)) << a_->log();
  }
}

TEST_F(Command, IsRefusedByTheDryRunAsByTheRealThing) {
  a_->run_trainer("job");
  // gpu-b's own list of users lacks the job's.
  std::filesystem::resize_file(b_->machine().dir() / "etc/passwd", 0);
  const auto dry = a_->command({"migrate", "job", "--to", "gpu-b/cpu:0", "--dry-run"});
  const auto real = a_->command({"migrate", "job", "--to", "gpu-b/cpu:0"});
  EXPECT_NE(dry.exit_code, 0) << dry.out;
  EXPECT_NE(real.exit_code, 0) << real.out;
  EXPECT_THAT(dry.out + dry.err, HasSubstr("trainer"));
  EXPECT_THAT(real.out + real.err, HasSubstr("trainer"));
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << a_->log();
}

}  // namespace
}  // namespace cardswap::test
