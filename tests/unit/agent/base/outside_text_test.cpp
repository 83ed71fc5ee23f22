/// Text that others wrote, on its way to logs, answers and tables.

#include <gmock/gmock.h>
#include <spdlog/details/log_msg.h>

#include <boost/json.hpp>
#include <limits>
#include <string>
#include <vector>

#include "agent/base/json_log.h"
#include "agent/base/printable.h"
#include "agent/base/validate.h"
#include "agent/devices/device_facts.h"
#include "agent/http/client.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

TEST(Utf8, TakesWhatUnicodeAllowsAndNothingElse) {
  for (const auto* text : {"", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x96\x88", "\xf0\x9f\x9a\x80"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(as_utf8(text), text);
  }
  for (const auto* text : {"\x80", "\xc3", "\xc0\xaf", "\xe2\x96", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf", "\xff", "a\xc3(b"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
    EXPECT_TRUE(is_utf8(as_utf8(text)));
    EXPECT_EQ(as_utf8(text).size(), std::string_view(text).size()) << "offsets must stay right";
  }
  EXPECT_EQ(as_utf8("a\xc3(b\xe2\x96\x88\xe2"), "a?(b\xe2\x96\x88?");
}

TEST(Outside, IdsOfMigrationsAreAsThisAgentMakesThem) {
  for (const auto* id : {"m-0a1b2c3d", "m-0123456789abcdef0123456789abcdef"}) {
    EXPECT_TRUE(validate::is_migration_id(id)) << id;
  }
  for (const auto& id : std::vector<std::string>{
           "", "m-", "m-1", "m-0a1b2c3", "m-0A1B2C3D", "n-0a1b2c3d", "m-0a1b2c3g", " m-0a1b2c3d",
           "m-0a1b2c3d\n", std::string("m-0a1b2c3d\0", 11), "m-/../../etc", "../m-0a1b2c3d",
           "m-0a1b2c3d/x", "m-" + std::string(33, 'a'), std::string(300, 'a')}) {
    EXPECT_FALSE(validate::is_migration_id(id)) << id;
  }
}

TEST(Outside, ALineHoldsNothingThatATerminalOrALogObeys) {
  for (const auto* text : {"", "gpu-a/cpu:0", "gr\xc3\xbc\xc3\x9f", "\xf0\x9f\x9a\x80 go"}) {
    EXPECT_TRUE(validate::is_line(text)) << text;
  }
  for (const auto& text : std::vector<std::string>{
           "a\nb", "a\rb", "a\tb", "\x1b[31m", "\x7f", std::string("a\0b", 3), "\xff",
           "\xc2\x9b"
           "31m",
           "\xe2\x80\xae"
           "txt.exe",
           "\xe2\x80\xa8", "\xe2\x81\xa6x", std::string(1001, 'a')}) {
    EXPECT_FALSE(validate::is_line(text)) << text;
  }
}

TEST(Outside, NumbersAreWholeFiniteAndInRange) {
  EXPECT_EQ(validate::count("n", 7.9), 7U);
  EXPECT_EQ(validate::count("n", 0), 0U);
  for (const double number : {-1.0, 1e300, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW((void)validate::count("n", number), Error) << number;
  }
}

TEST(Outside, VariablesHaveNoEndInTheirNames) {
  EXPECT_TRUE(validate::is_variable("PATH"));
  EXPECT_TRUE(validate::is_variable("a b"));
  for (const auto& name :
       std::vector<std::string>{"", "A=B", std::string("A\0", 2), std::string(1U << 18U, 'a')}) {
    EXPECT_FALSE(validate::is_variable(name));
  }
}

TEST(Outside, AnErrorNamesTheFieldAndRepeatsNothing) {
  try {
    (void)validate::line("from", "\x1b[31mred");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_request);
    EXPECT_THAT(error.what(), HasSubstr("'from'"));
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("red")));
  }
}

TEST(Shown, WritesOutWhatATerminalObeysAndNothingElse) {
  for (const auto* text : {"", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x96\x88", "\xf0\x9f\x9a\x80",
                           "\xc2\xa0", "\xe2\x80\xa6"}) {
    EXPECT_EQ(printable(text), text);
  }
  EXPECT_EQ(printable("\x1b]0;pwned\x07\nFAKE\trunning\r"),
            "\\x1b]0;pwned\\x07\\nFAKE\\trunning\\r");
  EXPECT_EQ(printable(std::string_view("a\0b\x7f", 4)), "a\\x00b\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m \xe2\x80\xae"
                      "x \xe2\x81\xa6"
                      "y"),
            "\\x9b31m \\u202ex \\u2066y");
  EXPECT_EQ(printable("\xff"
                      "a"),
            "?a");
  EXPECT_EQ(printable_lines("a\n\tb\x1b[2J\r\n"), "a\n\tb\\x1b[2J\\r\n");
}

TEST(Shown, AnExcerptSaysThatItIsOne) {
  EXPECT_EQ(excerpt("abc", 3), "abc");
  EXPECT_EQ(excerpt("abcd", 3), "abc...");
  EXPECT_EQ(excerpt("\xc2\x9b\n", 3), "\\x9b\\n");
  EXPECT_EQ(excerpt("gr\xc3\xbc\xc3\x9f", 3), "gr?...") << "no half of a character is left";
}

TEST(Shown, AMessageInTheLogIsOneLine) {
  const auto format = text_log_format();
  spdlog::memory_buf_t line;
  format->format(
      spdlog::details::log_msg("cardswapd", spdlog::level::warn, "a\r\n2026-01-01 info made up"),
      line);
  const std::string_view text(line.data(), line.size());
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_THAT(std::string(text), HasSubstr("a\\r\\n2026-01-01 info made up"));
}

boost::json::object logged(std::string_view message) {
  const auto format = json_log_format();
  spdlog::memory_buf_t line;
  format->format(spdlog::details::log_msg("cardswapd", spdlog::level::warn, message), line);
  const std::string_view text(line.data(), line.size());
  EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line a message";
  return boost::json::parse(text).as_object();
}

TEST(JsonLog, IsValidWhateverTheMessageHolds) {
  const std::string message = "job \"a\\b\"\nsays\t{\"x\": 1}\r\x01 gr\xc3\xbc\xc3\x9f";
  EXPECT_EQ(logged(message).at("message").as_string(), message);
  EXPECT_EQ(logged(message).at("level").as_string(), "warning");
  EXPECT_THAT(std::string(logged("x").at("time").as_string()),
              MatchesRegex(R"(....-..-..T..:..:......[+-]..:..)"));
  EXPECT_EQ(logged("cut \xe2\x96").at("message").as_string(), "cut ??");
}

TEST(ErrorAsJson, CarriesTextThatIsNoUtf8) {
  const auto text = boost::json::serialize(http::to_json(Error(Code::io, "said \xff", "\xe2")));
  EXPECT_EQ(boost::json::parse(text).at("failure").as_string(), "said ?");
}

TEST(ProcessorModel, IsFoundInWhatTheKernelTells) {
  EXPECT_EQ(
      processor_model("processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 9B14\nflags: x\n"),
      "AMD EPYC 9B14");
  EXPECT_EQ(processor_model("processor : 0\nModel : Raspberry Pi 5"), "Raspberry Pi 5");
  EXPECT_THAT(processor_model("processor : 0\nfeatures : fp\n"), IsEmpty());
  EXPECT_THAT(processor_model(""), IsEmpty());
}

TEST(DeviceUuid, IsTheSameForOneDeviceAndShowsNotTheMachinesId) {
  const std::string machine = "3d1219c7c4c5404aaa1f6d2a48adfda4";
  const auto uuid = device_uuid(machine + "\n", "cpu:0");
  EXPECT_THAT(uuid,
              MatchesRegex("CPU-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
  EXPECT_EQ(uuid, device_uuid(machine, "cpu:0"));
  EXPECT_NE(uuid, device_uuid(machine, "cpu:1"));
  EXPECT_NE(uuid, device_uuid("4" + machine.substr(1), "cpu:0"));
  EXPECT_THAT(uuid, Not(HasSubstr(machine.substr(0, 8))));
  EXPECT_THAT(device_uuid("\n", "cpu:0"), IsEmpty());
}

TEST(Shown, NamesTheFirstOfManyAndCountsTheOthers) {
  EXPECT_EQ(joined_first({}), "");
  EXPECT_EQ(joined_first({"7"}), "7");
  EXPECT_EQ(joined_first({"7", "8"}), "7, 8");
  EXPECT_THAT(joined_first(std::vector<std::string>(16, "7")), ::testing::EndsWith("7, 7"));
  EXPECT_THAT(joined_first(std::vector<std::string>(100, "7")),
              ::testing::EndsWith("7, 7 and 84 more"));
}

}  // namespace
}  // namespace cardswap
