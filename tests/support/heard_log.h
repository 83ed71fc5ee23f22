#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

namespace cardswap::test {

/// Records what this process logs while it lives.
class HeardLog {
 public:
  HeardLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "heard", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~HeardLog() { spdlog::set_default_logger(before_); }
  HeardLog(const HeardLog&) = delete;
  HeardLog& operator=(const HeardLog&) = delete;
  [[nodiscard]] std::string text() const { return text_.str(); }
  /// How often the log contains `wanted`.
  [[nodiscard]] std::size_t count(const std::string& wanted) const {
    const auto all = text();
    std::size_t count = 0;
    for (auto at = all.find(wanted); at != std::string::npos; at = all.find(wanted, at + 1)) {
      ++count;
    }
    return count;
  }

 private:
  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
};

}  // namespace cardswap::test
