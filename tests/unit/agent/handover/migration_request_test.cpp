#include "agent/handover/base/migration_body.h"
#include "agent/handover/migration_request_json.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace cardswap {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

ApiRequest asking(json::object body) {
  ApiRequest request;
  request.body = {{"job", "gpt"}, {"to", "gpu-b/cpu:0"}};
  for (auto& item : body) request.body[item.key()] = std::move(item.value());
  return request;
}

/// The text with which `body` is refused; empty: it is not.
std::string refused(json::object body) {
  try {
    (void)migration_request_from(asking(std::move(body)));
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_request);
    return error.what();
  }
}

MigrationSpec none_of_the_defaults() {
  return {.job = "gpt",
          .to = "gpu-b:7070/cuda:1",
          .strategy = Strategy::replay,
          .arrive = ArrivalMode::criu,
          .max_stall_ms = 12.5,
          .bandwidth = 1 << 20,
          .timeout_ms = 1500,
          .max_rounds = 7,
          .chunk_bytes = 1 << 16,
          .log_memory = 1 << 24,
          .auto_converge = true,
          .encrypt = true,
          .compression = Compression::zstd,
          .rehearse = Rehearsal::only};
}

TEST(MigrationRequest, HasEveryFieldThatACommandWrites) {
  const auto spec = none_of_the_defaults();
  ApiRequest request;
  request.body = request_body(spec);
  EXPECT_EQ(migration_request_from(request).spec, spec);
}

TEST(MigrationRequest, LeavesWhatIsAbsentOrNullAsItIs) {
  MigrationSpec defaults;
  defaults.job = "gpt";
  defaults.to = "gpu-b/cpu:0";
  EXPECT_EQ(migration_request_from(asking({})).spec, defaults);
  EXPECT_EQ(migration_request_from(asking({{"strategy", nullptr},
                                           {"encrypt", nullptr},
                                           {"log_memory", nullptr},
                                           {"failpoint", nullptr}}))
                .spec,
            defaults);
}

TEST(MigrationRequest, NamesAFailpointByItsOlderNameToo) {
  EXPECT_EQ(migration_request_from(asking({{"failpoint", "syncing"}})).failpoint, "syncing");
  EXPECT_EQ(migration_request_from(asking({{"hold_at", "syncing"}})).failpoint, "syncing");
}

TEST(MigrationRequest, LiftsALimitByNullAndTakesNone) {
  const auto limits = {"max_stall_ms", "max_downtime_ms", "bandwidth", "timeout_ms", "max_rounds"};
  MigrationSpec none;
  none.job = "gpt";
  none.to = "gpu-b/cpu:0";
  none.max_stall_ms = none.timeout_ms = 0;
  json::object lifted;
  for (const auto* limit : limits) lifted[limit] = nullptr;
  const auto request = asking(lifted);
  EXPECT_EQ(migration_request_from(request).spec, none);
  EXPECT_EQ(migration_request_from(asking(request_body(none))).spec, none);
  for (const auto* limit : limits) {
    EXPECT_THAT(refused({{limit, 0}}), HasSubstr(limit));
    EXPECT_THAT(refused({{limit, -5}}), HasSubstr(limit));
    EXPECT_THAT(refused({{limit, "much"}}), HasSubstr(limit));
  }
  EXPECT_THAT(refused({{"max_rounds", 5e9}}), HasSubstr("max_rounds"));
}

TEST(MigrationRequest, TakesTheLimitUnderItsOlderNameToo) {
  EXPECT_EQ(migration_request_from(asking({{"max_downtime_ms", 40}})).spec.max_stall_ms, 40);
  EXPECT_EQ(migration_request_from(asking({{"max_stall_ms", 40}})).spec.max_stall_ms, 40);
  EXPECT_EQ(migration_request_from(asking({{"max_stall_ms", 40}, {"max_downtime_ms", 40}}))
                .spec.max_stall_ms,
            40);
  EXPECT_THAT(refused({{"max_stall_ms", 40}, {"max_downtime_ms", 50}}), HasSubstr("older name"));
  EXPECT_TRUE(request_body({}).contains("max_downtime_ms")) << "an older agent knows no other";
}

TEST(MigrationRequest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(refused({{"max_round", 3}}), HasSubstr("unknown field 'max_round'"));
  EXPECT_THAT(refused({{"max_round", 3}}), HasSubstr("max_rounds"));
  EXPECT_THAT(refused({{"strategy", "warp"}}), HasSubstr("use auto, stop-copy, rounds or replay"));
  EXPECT_THAT(refused({{"compression", "gzip"}}), HasSubstr("use auto, off, lz4 or zstd"));
  EXPECT_THAT(refused({{"arrive", "by mail"}}), HasSubstr("use standby, criu or auto"));
  EXPECT_THAT(refused({{"chunk_bytes", 3}}), HasSubstr("chunk"));
  EXPECT_THAT(refused({{"timeout_ms", 1e14}}), HasSubstr("time-out"));
  EXPECT_THAT(refused({{"encrypt", "yes"}}), HasSubstr("encrypt"));
  EXPECT_THAT(refused({{"to", 3}}), HasSubstr("'to' must be a string"));
  ApiRequest nothing;
  EXPECT_THROW((void)migration_request_from(nothing), Error);
}

}  // namespace
}  // namespace cardswap
