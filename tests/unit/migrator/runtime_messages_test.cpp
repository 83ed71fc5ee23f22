#include "migrator/wire/runtime_messages.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "migrator/core/wire_writer.h"
#include "tests/support/wire_bytes.h"

namespace cardswap::channel {
namespace {

std::span<const std::byte> body_of(const std::vector<std::byte>& frame) {
  return std::span(frame).subspan(sizeof(std::uint32_t));
}

MigrationStats some_stats() {
  MigrationStats stats;
  stats.phase = MigrationPhase::rounds;
  stats.transferred = 1;
  stats.remaining = 2;
  stats.total = 3;
  stats.rounds = 4;
  stats.dirty_rate = 5;
  stats.rate = 6;
  stats.expected_downtime_ms = 7.5;
  stats.bytes_in_downtime = 8;
  stats.setup_time_ms = 9;
  stats.freeze_scan_ms = 10;
  stats.freeze_send_ms = 11;
  stats.freeze_verify_ms = 12;
  stats.median_step_ms = 13;
  stats.strategy = "replay";
  stats.log_entries = 14;
  stats.log_bytes = 15;
  stats.log_lag_bytes = 16;
  stats.replay_ms = 17;
  stats.back_pressure_ms = 18;
  stats.window_wait_ms = 19;
  stats.log_wait_ms = 20;
  stats.shards_not_replayed = 21;
  stats.not_replayed = "w";
  stats.throttle_pct = 22;
  stats.compression = "zstd";
  stats.compression_ratio = 1.5;
  stats.gpu_path = GpuPath::staged;
  stats.freezes_put_off = 23;
  stats.expected_stall_ms = 24;
  stats.expected_lost_ms = 25;
  stats.remark = "n";
  stats.rehearsal = RehearsalOutcome::equal;
  stats.rehearsal_remark = "r";
  stats.early_bytes = 26;
  stats.resent_bytes = 27;
  stats.copied_bytes = 28;
  return stats;
}

MigrationSpec some_spec() {
  MigrationSpec spec;
  spec.job = "gpt";
  spec.to = "b:1/cpu:0";
  spec.strategy = Strategy::rounds;
  spec.arrive = ArrivalMode::criu;
  spec.max_stall_ms = 3.5;
  spec.bandwidth = 12;
  spec.timeout_ms = 77.5;
  spec.max_rounds = 9;
  spec.chunk_bytes = 4096;
  spec.log_memory = 1 << 20;
  spec.auto_converge = true;
  spec.encrypt = true;
  spec.compression = Compression::zstd;
  spec.rehearse = Rehearsal::on;
  spec.store = "file:/store";
  spec.tag = "before";
  return spec;
}

Lateness some_lateness() {
  Lateness lateness({20, 1, 30});
  lateness.add(26);
  lateness.add_parked(90);
  lateness.add(30);
  lateness.add(21);
  return lateness;
}

/// One of every message, each field other than its default.
std::vector<Message> one_of_each() {
  const Digest digest{{1, 2, 3}};
  return {
      Hello{10, "gpt", "secret", 42, Role::standby, "0.1.0", "torch 2.11.0", 3, "m", true, 99, 5,
            8},
      Tracked{100, 3, digest, 90, 30, 60, {{"an optimizer", "track it", true}}},
      Stepped{7, 1.5},
      Parked{"10.0.0.1", 7000, 100},
      SyncProgress{"m", some_stats()},
      Converged{"m", 2.5},
      Frozen{"m", 8, true},
      Verified{"m", 8, digest, some_stats()},
      Failed{"m", Code::link_lost, "gone", "look", true},
      Released{"m"},
      Resumed{"m", 9, 1.25, 0.5},
      FirstStep{"m", 10},
      Ended{11, true},
      Welcome{2, true, "m", "10.0.0.2", "token", "tcp", "0badc0de", "10.0.0.9", 12, 13,
              "10.0.0.2:7070", GangPlace{"g", 6, 5, 8, "10.0.0.4:7002", {5, 7}}},
      Refused{Code::protocol_mismatch, "no", "update"},
      BeginSync{"m", "10.0.0.3", 7001, "token", some_spec(), "tcp", 2.5, "0badc0de", "10.0.0.9",
                true},
      Freeze{"m"},
      Release{"m"},
      Retire{"m"},
      Grant{"m", 4, digest},
      Depart{"m", "/run/keeper", 77},
      Departed{"m", 1234, digest},
      Arrived{"m", 5, "/run/holder", "/run/agent", "token", "gpt", digest},
      StateList{3,
                12,
                2,
                false,
                {{"model", "module", "Net", "cpu", "Float", 100, 4, false, "rounds", "yes", "why"}},
                "busy"},
      ListState{3},
      LateSteps{"m", some_lateness(), 14.5, 3, true},
      FirstSteps{"m", {20.5, 21}, true},
      TimeSteps{"m"},
      Stored{"m", 42, std::string(64, 'a'), 1000, 900, "full"},
      BuildNext{"g", 6, "10.0.0.4:7002", 8, {5, 7}},
      NextBuilt{"g", 13},
      Arm{"g", 14},
      Armed{"g", 15},
      Late{"g", 16},
      Reached{"g", 17},
      Check{"g"},
      Checked{"g", 18, digest},
      CheckFailed{"g", Code::link_lost, "no answer", "look"},
      SwitchOver{"g", 7},
      CloseOld{"g"},
      Held{9, digest, "unread"},
      HoldAt{14},
      RankPlace{1, 3, {"10.0.0.2:7070", "", "10.0.0.4:7070"}},
      CommunicatorsTook{"g", 20.5, 1.5, 0.25},
      Follow{11, "ddp", "token", 1},
      Followed{EndState::signalled, 9, "10.0.0.4:7070/cpu:0", "killed"},
      Deliver{15},
      Logged{digest, 3, 9, 1, 2, 8, 4, 1000, 1.5, "full"},
      KeepLog{LogMode::sync, "file:/s", "run", "main", 200, 5000, 7},
  };
}

/// The bytes of the body of a message that has a new field at its end, without that; 0: it has
/// none.
std::size_t size_in_former_release(const Message& message) {
  const auto* stored = std::get_if<Stored>(&message);
  if (stored == nullptr) return 0;
  auto former = *stored;
  former.tag_error.clear();
  return encode(former).size() - sizeof(std::uint32_t);
}

/// The frame of `message`, written by somebody who does not keep to the rules.
std::vector<std::byte> frame_with(const Message& message, double from, double to) {
  auto frame = encode(message);
  std::array<std::byte, sizeof(double)> pattern{};
  std::memcpy(pattern.data(), &from, sizeof(from));
  const auto at = std::search(frame.begin(), frame.end(), pattern.begin(), pattern.end());
  EXPECT_NE(at, frame.end());
  std::memcpy(&*at, &to, sizeof(to));
  return frame;
}

TEST(Channel, TakesNoNumberThatIsNone) {
  for (const double number : {std::nan(""), std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity(), 1e300, -1e300}) {
    EXPECT_THROW((void)decode(body_of(frame_with(Stepped{7, 1.5}, 1.5, number))), Error) << number;
    EXPECT_THROW((void)decode(body_of(frame_with(Resumed{"m", 1, 2.5, 3}, 2.5, number))), Error);
  }
  // And writes none, whatever a measurement gave.
  EXPECT_EQ(std::get<Stepped>(decode(body_of(encode(Stepped{7, std::nan("")})))).median_step_ms, 0);
}

TEST(Channel, TakesNoTextThatIsNone) {
  for (const auto* text : {"\xff\xfe\xfd\xfc", "a\xc0\x80z", "\xed\xa0\x80 "}) {
    auto frame = encode(Parked{"aaaa", 1, 2});
    const std::string wanted(text);
    const std::array pattern{std::byte{'a'}, std::byte{'a'}, std::byte{'a'}, std::byte{'a'}};
    const auto at = std::search(frame.begin(), frame.end(), pattern.begin(), pattern.end());
    ASSERT_NE(at, frame.end());
    std::memcpy(&*at, wanted.data(), 4);
    EXPECT_THROW((void)decode(body_of(frame)), Error) << text;
  }
  const auto said =
      decode(body_of(encode(Failed{"m", Code::io, "file \xff", std::string(2, '\0')})));
  EXPECT_EQ(std::get<Failed>(said).failure, "file ?");
  EXPECT_EQ(std::get<Failed>(said).hint, "??");
}

TEST(Channel, TakesNoNameOfAnOutcomeThatIsNone) {
  auto frame = encode(SyncProgress{"m", some_stats()});
  const std::string name(to_string(some_stats().rehearsal));
  const auto bytes = std::as_bytes(std::span(name));
  const auto at = std::search(frame.begin(), frame.end(), bytes.begin(), bytes.end());
  ASSERT_NE(at, frame.end());
  EXPECT_NO_THROW((void)decode(body_of(frame)));
  *at = std::byte{'E'};
  EXPECT_THROW((void)decode(body_of(frame)), Error);
}

TEST(Channel, WritesTheBytesThatItsVersionWrites) {
  test::expect_wire_bytes(one_of_each(), WIRE_BYTES "/channel.txt", encode);
}

TEST(Channel, ReadsEveryMessageAsItWasWritten) {
  const auto messages = one_of_each();
  ASSERT_EQ(messages.size(), std::variant_size_v<Message>) << "a new message is not tested here";
  for (const auto& message : messages) {
    EXPECT_EQ(decode(body_of(encode(message))), message) << "number " << message.index() + 1;
  }
}

TEST(Channel, RefusesEveryTruncation) {
  for (const auto& message : one_of_each()) {
    const auto frame = encode(message);
    const auto body = body_of(frame);
    for (std::size_t size = 0; size < body.size(); ++size) {
      if (size == size_in_former_release(message)) continue;
      EXPECT_THROW((void)decode(body.first(size)), Error)
          << "number " << message.index() + 1 << " cut to " << size;
    }
  }
}

/// As a keeper of a former release writes it, and as it is read there.
TEST(Channel, ReadsAStoredThatDoesNotTellOfItsTag) {
  const auto former = Stored{"m", 42, "4f", 1000, 900};
  const auto frame = encode(former);
  wire::WireWriter body;
  body.u16(static_cast<std::uint16_t>(Message(former).index() + 1));
  body.string("m").u64(42).string("4f").u64(1000).u64(900);
  ASSERT_TRUE(std::ranges::equal(body_of(frame), body.bytes()));
  EXPECT_EQ(std::get<Stored>(decode(body.bytes())), former);
}

TEST(Channel, RefusesTrailingBytes) {
  for (const auto& message : one_of_each()) {
    auto frame = encode(message);
    frame.push_back(std::byte{0});
    EXPECT_THROW((void)decode(body_of(frame)), Error) << "number " << message.index() + 1;
  }
}

TEST(Channel, SurvivesEveryFlippedByte) {
  for (const auto& message : one_of_each()) {
    const auto frame = encode(message);
    for (std::size_t i = 4; i < frame.size(); ++i) {
      auto damaged = frame;
      damaged[i] ^= std::byte{0xff};
      try {
        (void)decode(body_of(damaged));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::bad_request);
      }
    }
  }
}

TEST(Channel, RefusesNumbersThatNoMessageHas) {
  for (const std::uint16_t number : {std::uint16_t{0}, std::uint16_t{41}, std::uint16_t{0xffff}}) {
    const std::array body{static_cast<std::byte>(number & 0xff),
                          static_cast<std::byte>(number >> 8)};
    EXPECT_THROW((void)decode(body), Error) << number;
  }
}

}  // namespace
}  // namespace cardswap::channel
