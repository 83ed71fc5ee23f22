/// Text that others wrote, on its way to logs, answers and tables.

#include <gmock/gmock.h>
#include <spdlog/details/log_msg.h>

#include <boost/json.hpp>

#include "agent/http/client.h"
#include "agent/jobs/device_facts.h"
#include "agent/json_log.h"
#include "migrator/utf8.h"

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

}  // namespace
}  // namespace cardswap
