/// Method: an agent whose token for Alertmanager was stolen, and who holds it posts what it likes.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <fstream>
#include <thread>

#include "migrator/base/error.h"
#include "tests/support/fleet_certificates.h"
#include "tests/support/notes.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kWebhooks = 8;

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
  const FleetCertificates fleet;
  const TempDir dir;
  const auto tokens = dir.path() / "tokens";
  std::ofstream(tokens) << "alerts "
                        << run({"sh", "-c", "printf %s alarm | sha256sum | cut -d' ' -f1"}).out;
  auto more = FleetCertificates::options(fleet.issue(ApiRole::agent, "b", {"127.0.0.1"}));
  more.insert(more.end(), {"--token-file", tokens.string()});
  const Host b(dir.path() / "b", {.name = "b", .more = more});
  std::atomic<bool> over = false;
  Notes notes;
  std::vector<Clock::duration> taken;  // what each webhook that was taken took
  const auto post = [&](int sender) {
    for (int round = 0; !over; ++round) {
      HttpRequest request{.method = "POST", .target = "/v1/alerts"};
      request.body = webhook_of(100'000'000 * (sender + 1) + 50'000 * round, 40'000);
      request.headers = {{"Authorization", "Bearer alarm"}};
      const auto began = Clock::now();
      try {
        if (ask_over_tls(b, fleet.authority_only(), request).status != 200) continue;
      } catch (const Error&) {
        continue;  // a call that lasts is no failure of this test
      }
      const auto took = Clock::now() - began;
      notes.note([&] { taken.push_back(took); });
    }
  };
  std::vector<std::jthread> senders;
  for (int i = 0; i < 2; ++i) senders.emplace_back(post, i);
  std::vector<Clock::duration> waits;
  EXPECT_TRUE(within(60s, [&] {
    const auto asked = Clock::now();
    EXPECT_EQ(ask_over_unix(b, {.target = "/healthz"}).status, 200U);
    waits.push_back(Clock::now() - asked);
    return notes.look([&] { return taken.size() >= kWebhooks; });
  })) << taken.size();
  over = true;
  senders.clear();
  ASSERT_FALSE(taken.empty());
  // One that is taken in one go keeps whoever asks meanwhile waiting for as long as that lasts,
  // which is most of what its sender waits. A busy machine makes both longer.
  const auto long_wait = *std::ranges::min_element(taken) / 2;
  EXPECT_LE(std::ranges::count_if(waits, [&](auto wait) { return wait > long_wait; }),
            static_cast<std::ptrdiff_t>(taken.size() / 4))
      << "of " << waits.size() << " calls while " << taken.size() << " webhooks were taken";
  const auto log = b.log();
  EXPECT_LT(std::ranges::count(log, '\n'), 2000) << "and some ten thousands were told";
}

}  // namespace
}  // namespace cardswap::test
