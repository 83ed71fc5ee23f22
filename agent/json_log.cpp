#include "agent/json_log.h"

#include <spdlog/pattern_formatter.h>

#include <boost/json.hpp>

#include "agent/utf8.h"

namespace cardswap {
namespace {

class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const auto text = boost::json::serialize(
        boost::json::string(as_utf8(std::string(message.payload.data(), message.payload.size()))));
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

}  // namespace

std::unique_ptr<spdlog::formatter> json_log_format() {
  auto format = std::make_unique<spdlog::pattern_formatter>();
  format->add_flag<JsonMessage>('*');
  format->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%*})");
  return format;
}

}  // namespace cardswap
