#include "agent/handover/reservation_request_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cardswap {
namespace {

namespace json = boost::json;

/// Every field has a value that is not its default.
ReservationRequest whole() {
  ReservationRequest wanted;
  wanted.migration = "m-00000001";
  wanted.spec = {.name = "gpt",
                 .uid = "0123456789abcdef0123456789abcdef",
                 .argv = {"/bin/sleep", "1000"},
                 .cwd = "/srv",
                 .env = {{"A", "B"}},
                 .user = "nobody",
                 .protection = Protection{.every_steps = 100, .store = "file:/srv/store"},
                 .branch = "fix",
                 .restored_from = std::string(64, 'a')};
  wanted.device = "cuda:1";
  wanted.state_bytes = 1ULL << 40U;
  wanted.relocatable_bytes = 1ULL << 39U;
  wanted.epoch = 7;
  wanted.from = "gpu-a/cuda:0";
  wanted.from_api = "127.0.0.1:7070";
  wanted.addresses = {"10.0.0.1", "fd00::1"};
  wanted.framework = "libtorch 2.11.0";
  wanted.arrive = ArrivalMode::criu;
  wanted.process = {{"cpu_features", json::array{}}};
  wanted.encrypt = true;
  wanted.dry_run = true;
  return wanted;
}

ReservationRequest read(const json::object& body) {
  ApiRequest request;
  request.body = body;
  return reservation_request_from(request);
}

TEST(ReservationRequest, IsReadAsItWasWritten) {
  const auto wanted = whole();
  const auto body = to_json(wanted);
  EXPECT_EQ(to_json(read(body)), body);
  const auto asked = read(body);
  EXPECT_EQ(asked.spec.argv, wanted.spec.argv);
  EXPECT_EQ(asked.addresses, wanted.addresses);
  EXPECT_EQ(asked.framework, wanted.framework);
  EXPECT_EQ(asked.from_api, wanted.from_api);
  EXPECT_EQ(asked.process, wanted.process);
  EXPECT_TRUE(asked.encrypt);
  EXPECT_TRUE(asked.dry_run);
}

TEST(ReservationRequest, OfOneOfSeveralNewcomersNamesTheirGang) {
  auto wanted = whole();
  wanted.arrive = ArrivalMode::standby;
  wanted.migration = "m-0000000100000002";
  wanted.place = {"m-00000001", wanted.epoch, 2, 3, "127.0.0.1:29500", {0, 2}};
  auto body = to_json(wanted);
  EXPECT_EQ(read(body).place, wanted.place);
  body.at("gang").as_object()["id"] = "../m";
  EXPECT_THROW((void)read(body), Error);
  body.at("gang").as_object().erase("id");  // as agents say it that move one rank at a time
  EXPECT_EQ(read(body).place.gang, wanted.migration);
}

TEST(ReservationRequest, TellsNeitherAddressesNorAProcessWhereThereAreNone) {
  auto wanted = whole();
  wanted.addresses.clear();
  wanted.arrive = ArrivalMode::standby;
  const auto body = to_json(wanted);
  EXPECT_FALSE(body.contains("addresses"));
  EXPECT_FALSE(body.contains("process"));
  EXPECT_EQ(to_json(read(body)), body);
}

/// Releases before it know the bytes by this name.
TEST(ReservationRequest, TellsAnOlderTargetWhatCanGoAheadUnderItsName) {
  auto body = to_json(whole());
  EXPECT_EQ(body.at("homed_bytes"), body.at("relocatable_bytes"));
  body.erase("relocatable_bytes");
  EXPECT_EQ(read(body).relocatable_bytes, whole().relocatable_bytes);
}

}  // namespace
}  // namespace cardswap
