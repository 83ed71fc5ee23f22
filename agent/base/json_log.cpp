#include "agent/base/json_log.h"

#include <spdlog/pattern_formatter.h>

#include <boost/json.hpp>

#include "agent/base/printable.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

std::string json_string(std::string_view text) {
  return boost::json::serialize(boost::json::string(as_utf8(std::string(text))));
}

/// Takes `name` and the word after it off the start of `rest`; returns that word, or an empty text.
std::string_view take(std::string_view& rest, std::string_view name) {
  if (!rest.starts_with(name)) return {};
  const auto word = rest.substr(name.size(), rest.find_first_of(" :,", name.size()) - name.size());
  rest.remove_prefix(name.size() + word.size());
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  return word;
}

class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string_view said(message.payload.data(), message.payload.size());
    const auto subject = subject_of(said);
    auto text = json_string(said);
    if (!subject.job.empty()) text += ",\"job\":" + json_string(subject.job);
    if (!subject.migration.empty()) text += ",\"migration\":" + json_string(subject.migration);
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

/// A message may contain texts of other agents and of jobs: it stays one line.
class ShownMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const auto text = printable({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<ShownMessage>();
  }
};

}  // namespace

LogSubject subject_of(std::string_view message) {
  LogSubject subject;
  subject.job = take(message, "job ");
  subject.migration = take(message, "migration ");
  return subject;
}

std::unique_ptr<spdlog::formatter> json_log_format() {
  auto format = std::make_unique<spdlog::pattern_formatter>();
  format->add_flag<JsonMessage>('*');
  format->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%*})");
  return format;
}

std::unique_ptr<spdlog::formatter> text_log_format() {
  auto format = std::make_unique<spdlog::pattern_formatter>();
  format->add_flag<ShownMessage>('*');
  format->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %*");
  return format;
}

}  // namespace cardswap
