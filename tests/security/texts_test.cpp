/// Method: a job prints, and a caller asks, what terminals and logs obey.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class Texts : public ::testing::Test {
 protected:
  TempDir dir_;
  Host host_{dir_.path() / "a", {.name = "a"}};
};

TEST_F(Texts, OfAJobDoNotReachATerminalAsTheyAre) {
  if (run({"script", "--version"}).exit_code != 0) {
    return skip_without("script", "there is no script(1) here");
  }
  (void)host_.ask({"run", "--name", "loud", "--", "/bin/sh", "-c",
                   "printf '\\033]0;pwned\\007\\033[31mred\\n'; exec sleep 100"});
  const std::string obeyed = "\x1b]0;pwned\x07\x1b[31mred";
  ASSERT_TRUE(within(5s, [&] {
    return host_.command({"logs", "loud"}).out.find("red") != std::string::npos;
  }));
  EXPECT_THAT(host_.command({"logs", "loud"}).out, HasSubstr(obeyed)) << "a pipe obeys nothing";
  const auto on_a_terminal = [&](const std::string& more) {
    return run({"script", "-qec",
                std::string(CARDSWAP) + " --agent " + (host_.dir() / "cardswapd.sock").string() +
                    " logs loud" + more,
                "/dev/null"})
        .out;
  };
  EXPECT_THAT(on_a_terminal(""), HasSubstr("\\x1b]0;pwned\\x07\\x1b[31mred"));
  EXPECT_THAT(on_a_terminal(""), Not(HasSubstr("\x1b")));
  EXPECT_THAT(on_a_terminal(" --raw"), HasSubstr(obeyed));
}

TEST_F(Texts, OfACallerMakeNoLinesOfTheirOwn) {
  const auto asked = ask_over_unix(host_, {.target = "/v1/jobs/%1b%5B2J%0aFAKE%20running"});
  const auto failure = text(asked.body.at("error").as_object(), "failure");
  EXPECT_THAT(failure, HasSubstr("\\x1b[2J\\nFAKE running"));
  const auto told = host_.command({"jobs", "\x1b[2J\nFAKE running"});
  EXPECT_THAT(told.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(told.err, Not(HasSubstr("\nFAKE")));
}

TEST_F(Texts, OfAnotherAgentAreRefusedWhereTheyAreNoLine) {
  for (const auto* from : {"\x1b[31mred", "a\nFAKE running cpu:0", "a\rb", "a\tb"}) {
    const boost::json::object wanted{{"migration", "m-0123456789abcdef"},
                                     {"job", {{"name", "gpt"}, {"argv", {"/bin/sleep", "9"}}}},
                                     {"device", "cpu:0"},
                                     {"from", from}};
    EXPECT_EQ(ask_over_unix(host_, {.method = "POST",
                                    .target = "/v1/peer/reservations",
                                    .body = boost::json::serialize(wanted)})
                  .status,
              400U);
  }
}

}  // namespace
}  // namespace cardswap::test
