#include "agent/cli/follow/follow_by_api.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <iostream>

#include "agent/base/printable.h"
#include "agent/follow/outcome.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr int kAgainMs = 1000;
constexpr int kWaitMs = 500;  // a signal waits no longer than that

std::string query_of(const FollowedJob& followed, const std::string& instance) {
  auto query = followed.rank ? fmt::format("?rank={}", *followed.rank) : std::string("?");
  if (!instance.empty()) query += "&instance=" + http::percent_encoded(instance);
  return query;
}

bool may_pass(const Error& error) {
  return error.code() == Code::unreachable || error.code() == Code::timed_out ||
         error.code() == Code::link_lost || error.code() == Code::cancelled;
}

/// Asks one agent about one job.
class Questions {
 public:
  Questions(const Context& context, const FollowedJob& followed)
      : client_(context.client()),
        followed_(followed),
        path_("/v1/jobs/" + http::percent_encoded(followed.job)) {}

  channel::Followed ask() {
    const auto target =
        fmt::format("{}/outcome{}&wait_ms={}&at={}&note={}", path_, query_of(followed_, instance_),
                    seen_.state == channel::EndState::runs && is_asked_ ? kWaitMs : 0,
                    http::percent_encoded(seen_.at), http::percent_encoded(seen_.note));
    const auto answer = client_.call("GET", target);
    seen_ = follow::outcome_from(answer);
    if (const auto* instance = answer.if_contains("instance"); instance && instance->is_string()) {
      instance_ = std::string(instance->get_string());
    }
    is_asked_ = true;
    return seen_;
  }
  void deliver(int signal) {
    (void)client_.call("POST", path_ + "/signal" + query_of(followed_, instance_),
                       json::object{{"signal", signal}});
  }
  /// Prints what the job has printed here since the last call. Where that cannot be had, nothing:
  /// the job's end counts for more than its log.
  void print_log() {
    try {
      print_pieces();
    } catch (const Error&) {
      return;
    }
  }
  [[nodiscard]] bool is_asked() const { return is_asked_; }
  [[nodiscard]] std::string agent() const { return client_.address(); }

 private:
  void print_pieces() {
    while (true) {
      const auto piece = client_.call("GET", fmt::format("{}/logs?offset={}", path_, offset_));
      const auto number = [&](const char* key) { return piece.at(key).to_number<std::int64_t>(); };
      const std::string text(piece.at("data").as_string());
      std::cout << (::isatty(STDOUT_FILENO) == 1 ? printable_lines(text) : text) << std::flush;
      offset_ = number("next");
      if (offset_ >= number("size") || text.empty()) return;
    }
  }

  Client client_;
  const FollowedJob followed_;
  const std::string path_;
  std::string instance_;
  channel::Followed seen_;
  std::int64_t offset_ = 0;  // of the log
  bool is_asked_ = false;
};

}  // namespace

Exit follow_by_api(const Context& context, const FollowedJob& followed, bool prints_log) {
  const LaunchersSignals signals;
  OutcomeTeller teller(followed);
  Questions questions(context, followed);
  int owed = 0;
  while (true) {
    try {
      const auto news = questions.ask();
      prints_log = prints_log && is_own_host(news.at);  // never again of another job of that name
      if (prints_log) questions.print_log();
      teller.tell(news);
      if (news.is_over()) return end_like(news);
      while (owed != 0 || (owed = signals.next()) != 0) {
        questions.deliver(owed);
        owed = 0;
      }
    } catch (const Error& error) {
      if (!questions.is_asked() || !may_pass(error)) throw;
      teller.tell_away(
          fmt::format("the agent at {} does not answer: {}", questions.agent(), error.failure()));
      std::array<pollfd, 1> pause{{{-1, 0, 0}}};
      (void)::poll(pause.data(), pause.size(), kAgainMs);
    }
  }
}

}  // namespace cardswap::cli
