/// Method: the engine's file is on a disk of its own, which the test fills to the last byte and
/// empties again.

#include "agent/health/decisions/journalled_engine.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <memory>

#include "migrator/base/error.h"
#include "tests/faults/small_disk.h"
#include "tests/support/heard_log.h"
#include "tests/support/needs.h"
#include "tests/support/temp_dir.h"

namespace cardswap::health {
namespace {

using test::HeardLog;
using test::skip_without;
using test::SmallDisk;

class JournalledEngineOnASmallDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = SmallDisk::missing()) return skip_without("root", *missing);
    disk_ = std::make_unique<SmallDisk>(dir_.path() / "disk");
    engine_ = std::make_unique<JournalledEngine>(dir_.path() / "disk" / "j.db", Policy{},
                                                 std::vector<DeviceName>{{.name = "cpu:0"}});
  }
  [[nodiscard]] std::vector<std::string> kinds() const {
    std::vector<std::string> found;
    for (const auto& event : engine_->log().find({})) {
      found.emplace_back(event.at("kind").as_string());
    }
    return found;
  }

  test::TempDir dir_;
  std::unique_ptr<SmallDisk> disk_;
  std::unique_ptr<JournalledEngine> engine_;
};

/// 300 tries are more than the 256 events of alerts that ten seconds may have.
TEST_F(JournalledEngineOnASmallDisk, KeepsAnAlertsEventUntilThereIsRoomAndTellsOfItOnce) {
  disk_->fill();
  const HeardLog heard;
  engine_->emit_event({.kind = "first", .text = "posted by somebody", .of_alerts = true});
  for (int i = 0; i < 300; ++i) EXPECT_FALSE(engine_->flush());
  engine_->emit_event({.kind = "second", .text = "posted later", .of_alerts = true});
  EXPECT_THROW(engine_->write(), Error);
  EXPECT_EQ(heard.count("posted by somebody"), 1U) << heard.text();
  EXPECT_EQ(heard.count("[error]"), 1U) << heard.text();

  disk_->empty();
  EXPECT_TRUE(engine_->flush());
  EXPECT_TRUE(engine_->flush());
  EXPECT_THAT(kinds(), ::testing::ElementsAre("first", "second"));
  EXPECT_EQ(heard.count("posted by somebody"), 1U) << heard.text();
  EXPECT_EQ(heard.count("posted later"), 1U) << heard.text();
  EXPECT_EQ(heard.count("the disk takes events again"), 1U) << heard.text();
}

TEST(EventBuffer, KeepsWhatIsPutBackBeforeWhatCameSince) {
  EventBuffer buffer;
  for (int i = 0; i < 256; ++i) buffer.add({.at = 1, .kind = "old", .of_alerts = true});
  auto taken = buffer.take();
  buffer.add({.at = 2, .kind = "new"});
  buffer.put_back(std::move(taken));
  const auto events = buffer.take();
  ASSERT_EQ(events.size(), 257U);
  EXPECT_EQ(events.front().kind, "old");
  EXPECT_EQ(events.back().kind, "new");
}

}  // namespace
}  // namespace cardswap::health
