#include "agent/health/decisions/incident.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(IncidentRecord, GivesNoNumberThatItsFieldCannotHold) {
  boost::json::object record{
      {"pid", (1LL << 32) + 5},
      {"count", -1},
      {"failed_moves", boost::json::object{{"a", -1}, {"b", 1LL << 40}, {"c", 2}}}};
  const auto incident = incident_from_journal(record);
  EXPECT_FALSE(incident.pid);
  EXPECT_EQ(incident.count, 0U);
  EXPECT_THAT(incident.tries, ElementsAre(Pair("c", 2U)));
}

TEST(IncidentRecord, IsReadAsItWasWritten) {
  Incident incident;
  incident.device = "cuda:0";
  incident.code = "xid:95";
  incident.pid = 4711;
  incident.count = 3;
  incident.tries = {{"job", 2}};
  const auto again = incident_from_journal(to_json(incident));
  EXPECT_EQ(again.pid, incident.pid);
  EXPECT_EQ(again.count, incident.count);
  EXPECT_EQ(again.tries, incident.tries);
}

}  // namespace
}  // namespace cardswap::health
