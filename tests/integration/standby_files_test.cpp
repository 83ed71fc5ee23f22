/// Method: a trainer that opens a file as fopen's "w" or as its "a" does, before its first
/// boundary. It is moved; where its standby may have harmed the job's file, that is said to whoever
/// moved it and kept among the events of both agents.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class StandbysFiles : public ::testing::Test {
 protected:
  Outcome move(const std::string& redirection) {
    a_.run_job("job", {"sh", "-c",
                       "exec 7" + redirection + file_ + "; exec " + trainer("plain_memory") +
                           " --steps 100000 --step-ms 5 --bytes 4096"});
    EXPECT_TRUE(within(20s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
    return a_.command({"migrate", "job", "--to", b_.at("cpu:0")});
  }

  TempDir dir_;
  const std::string file_ = (dir_.path() / "losses").string();
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(StandbysFiles, AreToldWhenTheyAreWrittenFromTheirBeginning) {
  const auto moved = move(">");
  EXPECT_EQ(moved.exit_code, 0) << moved.err;
  EXPECT_THAT(moved.out, AllOf(HasSubstr("warning: the standby of job job on b has opened"),
                               HasSubstr(file_), HasSubstr("open logs to append")));
  EXPECT_THAT(a_.command({"status"}).out, HasSubstr("completed"));
  for (const auto* host : {&a_, &b_}) {
    const auto events = host->command({"-o", "json", "events"}).out;
    EXPECT_THAT(events, AllOf(HasSubstr("standby_writes"), HasSubstr(file_))) << host->log();
  }
}

TEST_F(StandbysFiles, AreNoMatterWhenTheyAreAppendedTo) {
  const auto moved = move(">>");
  EXPECT_EQ(moved.exit_code, 0) << moved.err;
  EXPECT_THAT(moved.out, Not(HasSubstr("warning")));
  EXPECT_THAT(b_.command({"-o", "json", "events"}).out, Not(HasSubstr("standby_writes")));
}

}  // namespace
}  // namespace cardswap::test
