#include "agent/base/json_log.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cardswap {
namespace {

boost::json::object line_of(std::string_view message) {
  spdlog::memory_buf_t out;
  json_log_format()->format(
      spdlog::details::log_msg("agent", spdlog::level::info, {message.data(), message.size()}),
      out);
  return boost::json::parse({out.data(), out.size()}).as_object();
}

TEST(JsonLog, HasWhatAMessageIsAboutAsFields) {
  const auto both = line_of("job gpt migration m-0a1b2c3d: the grant is not answered yet");
  EXPECT_EQ(both.at("job").as_string(), "gpt");
  EXPECT_EQ(both.at("migration").as_string(), "m-0a1b2c3d");
  EXPECT_EQ(both.at("message").as_string(),
            "job gpt migration m-0a1b2c3d: the grant is not answered yet");
  const auto one = line_of("migration m-0a1b2c3d here: parked");
  EXPECT_EQ(one.at("migration").as_string(), "m-0a1b2c3d");
  EXPECT_FALSE(one.contains("job"));
  EXPECT_EQ(line_of("job gpt").at("job").as_string(), "gpt");
}

TEST(JsonLog, TakesNothingFromTheMiddleOfAMessage) {
  for (const auto* message : {"a runtime was refused: no job 'x' of this agent", "jobs go on",
                              "job ", "", "migrations"}) {
    const auto line = line_of(message);
    EXPECT_FALSE(line.contains("job")) << message;
    EXPECT_FALSE(line.contains("migration")) << message;
    EXPECT_EQ(line.at("message").as_string(), message);
  }
}

}  // namespace
}  // namespace cardswap
