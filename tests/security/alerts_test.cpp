/// Method: an agent whose token for Alertmanager was stolen, and who holds it posts what it likes.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <fstream>
#include <thread>

#include "migrator/base/error.h"
#include "tests/support/fleet.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

std::string webhook_of(int first, int count) {
  std::string alerts;
  for (int i = first; i < first + count; ++i) {
    const auto number = std::to_string(i);
    alerts += (i == first ? "" : ",") +
              (R"({"status":"firing","labels":{"alertname":"Q)" + number +
               R"(","host":"b"},"annotations":{},"startsAt":"2026-11-29T04:00:00Z",)"
               R"("endsAt":"0001-01-01T00:00:00Z","fingerprint":")" +
               number + "\"}");
  }
  return R"({"version":"4","status":"firing","receiver":"x","alerts":[)" + alerts + "]}";
}

TEST(AlertToken, KeepsNobodyWaitingAndFillsNoLog) {
  const Fleet fleet;
  const TempDir dir;
  const auto tokens = dir.path() / "tokens";
  std::ofstream(tokens) << "alerts "
                        << run({"sh", "-c", "printf %s alarm | sha256sum | cut -d' ' -f1"}).out;
  auto more = Fleet::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}));
  more.insert(more.end(), {"--token-file", tokens.string()});
  const Host b(dir.path() / "b", {.name = "b", .more = more});
  std::atomic<bool> over = false;
  std::atomic<int> taken = 0;
  const auto post = [&](int sender) {
    for (int round = 0; !over; ++round) {
      HttpRequest request{.method = "POST", .target = "/v1/alerts"};
      request.body = webhook_of(100'000'000 * (sender + 1) + 50'000 * round, 40'000);
      request.headers = {{"Authorization", "Bearer alarm"}};
      try {
        taken += ask_over_tls(b, fleet.authority_only(), request).status == 200 ? 1 : 0;
      } catch (const Error&) {
        continue;  // a call that lasts is no failure of this test
      }
    }
  };
  std::vector<std::jthread> senders;
  for (int i = 0; i < 2; ++i) senders.emplace_back(post, i);
  auto longest = 0ms;
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < until) {
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(ask_over_unix(b, {.target = "/healthz"}).status, 200U);
    longest = std::max(longest, std::chrono::duration_cast<std::chrono::milliseconds>(
                                    std::chrono::steady_clock::now() - asked));
  }
  over = true;
  senders.clear();
  EXPECT_GT(taken, 0);
  EXPECT_LT(longest, 2s);
  const auto log = b.log();
  EXPECT_LT(std::ranges::count(log, '\n'), 2000) << "and some ten thousands were told";
}

}  // namespace
}  // namespace cardswap::test
