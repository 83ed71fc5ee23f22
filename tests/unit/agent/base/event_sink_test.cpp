#include "agent/base/event_sink.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EventSink, KeepsEventsInOrderUntilSomebodyWritesThemDownAndThenGivesEachOnAsItComes) {
  std::vector<std::string> written;
  EventSink events;
  events.emit({.kind = "journal_damaged", .text = "first"});
  events.emit({.kind = "job_lost", .text = "second"});
  EXPECT_THAT(written, IsEmpty());

  events.start([&](const AgentEvent& event) { written.push_back(event.text); });
  EXPECT_THAT(written, ElementsAre("first", "second"));
  events.emit({.kind = "in_doubt", .text = "third"});
  EXPECT_THAT(written, ElementsAre("first", "second", "third"));
}

/// One that is written down may have another one follow.
TEST(EventSink, TakesAnEventThatComesWhileItGivesOthersOn) {
  std::vector<std::string> written;
  EventSink events;
  events.emit({.kind = "job_lost", .text = "first"});
  events.start([&](const AgentEvent& event) {
    written.push_back(event.text);
    if (written.size() == 1) events.emit({.kind = "job_lost", .text = "of the first"});
  });
  EXPECT_THAT(written, ElementsAre("first", "of the first"));
}

}  // namespace
}  // namespace cardswap
