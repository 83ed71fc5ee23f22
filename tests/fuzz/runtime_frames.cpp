/// The runtime's socket: frames cut out of a stream, in pieces, and the messages in them.

#include "migrator/wire/frame_reader.h"
#include "migrator/wire/runtime_messages.h"
#include "tests/fuzz/seeds.h"

namespace cardswap::fuzz {

std::vector<std::vector<std::byte>> seeds() {
  using namespace channel;
  const Digest digest = digest_of({});
  std::vector<std::vector<std::byte>> all;
  for (const Message& message :
       std::vector<Message>{Hello{kProtocolVersion, "job", "token", 1, Role::standby, "0.1", "none",
                                  2, "m-1", true, 0, 1, 3},
                            Tracked{1, 2, digest, 3, 4},
                            Stepped{5, 6.5},
                            Parked{"10.0.0.1", 7000, 8},
                            SyncProgress{"m-1", {}},
                            Converged{"m-1", 9},
                            Frozen{"m-1", 10},
                            Verified{"m-1", 11, digest, {}},
                            Failed{"m-1", Code::io, "disk", "look"},
                            Released{"m-1"},
                            Resumed{"m-1", 12, 13, 14},
                            FirstStep{"m-1", 15},
                            Ended{16, true},
                            Welcome{17, true, "m-1", "10.0.0.2", "token", "tcp", "key"},
                            Welcome{.agent_address = "10.0.0.2:7070",
                            .gang = {"g-1", 24, 1, 3, "10.0.0.4:7002", {1}}},
                            Refused{Code::unauthorized, "no", "why"},
                            BeginSync{"m-1", "10.0.0.3", 7001, "token"},
                            BeginSync{.migration = "g-1", .of_gang = true},
                            Freeze{"m-1"},
                            Release{"m-1"},
                            Retire{"m-1"},
                            Grant{"m-1", 18, digest},
                            Depart{"m-1", "/run/keeper", 77},
                            Departed{"m-1", 19, digest},
                            Arrived{"m-1", 0, "/run/holder", "/run/agent", "token", "job", digest},
                            LateSteps{"m-1", Lateness({20, 1, 30}), 21, 3, true},
                            FirstSteps{"m-1", {22, 23}, true},
                            TimeSteps{"m-1"},
                            Stored{"m-1", 7, "4f2c", 12, 10, "no room"},
                            BuildNext{"g-1", 24, "10.0.0.4:7002", 8, {1, 2}},
                            NextBuilt{"g-1", 25},
                            Arm{"g-1", 26},
                            Armed{"g-1", 27},
                            Late{"g-1", 28},
                            Reached{"g-1", 29},
                            Check{"g-1"},
                            Checked{"g-1", 30, digest},
                            CheckFailed{"g-1", Code::link_lost, "no answer", "look"},
                            SwitchOver{"g-1", 31},
                            CloseOld{"g-1"},
                            RankPlace{1, 2, {"10.0.0.2:7070", ""}},
                            CommunicatorsTook{"g-1", 32, 33, 34},
                            Follow{11, "job", "token", 35},
                            Followed{EndState::exited, 36, "10.0.0.4:7070/cpu:0", "why"},
                            Deliver{37},
                            Logged{digest, 3, 9, 1, 2, 8, 4, 1000, 1.5, "full"},
                            KeepLog{LogMode::async, "file:/s", "run", "main", 2, 3, 4}}) {
    all.push_back(encode(message));
  }
  return all;
}

}  // namespace cardswap::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cardswap;
  const auto bytes = fuzz::view(data, size);
  fuzz::expect_error_or_nothing([&] {
    channel::FrameReader reader;
    const auto half = size / 2;
    for (const auto piece : {bytes.first(half), bytes.subspan(half)}) {
      reader.feed(piece);
      while (const auto body = reader.next()) {
        fuzz::expect_error_or_nothing([&] { (void)channel::decode(*body); });
      }
    }
  });
  return 0;
}
