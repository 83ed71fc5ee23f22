/// Method: a store in memory whose packs the test lets be read, and the agent's end of the sender's
/// connection.

#include <gmock/gmock.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <future>
#include <optional>
#include <thread>

#include "migrator/base/environment.h"
#include "migrator/base/error.h"
#include "migrator/store/epoch_claims.h"
#include "migrator/store/names.h"
#include "migrator/store/pack.h"
#include "migrator/store/store_file.h"
#include "migrator/wire/data_messages.h"
#include "runtime/snapshot/received_memory.h"
#include "runtime/snapshot/send_snapshot.h"
#include "tests/support/hooked_store.h"
#include "tests/support/scripted_agent.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

constexpr std::size_t kBytes = 3 * store::kStoreChunkBytesMax;
constexpr std::uint64_t kStep = 7;

class Sending : public ::testing::Test {
 protected:
  Sending() {
    store::ensure_store_file(store_, "store-1");
    ReceivedMemory memory;
    CapturedState state;
    state.view = memory.adopt(Layout({{"w", "Float", "[n]", kBytes}}));
    auto& words = state.view.memory.at(0);
    for (std::size_t i = 0; i < kBytes; ++i) words[i] = static_cast<std::byte>(i * i >> 7U);
    std::vector<Digest> digests;
    for (const auto& chunk : cut_into_chunks(state.view.layout, store::kStoreChunkBytesMax)) {
      digests.push_back(digest_of(range_of(state.view, chunk).bytes));
    }
    state.step = kStep;
    state.chunk_bytes = store::kStoreChunkBytesMax;
    state.state_digest = data::state_digest_of(state.view.layout, digests, digest_of({}));
    labels_.job = "job";
    labels_.writer = "one";
    labels_.epoch = 3;
    manifest_ = pack_snapshot(store_, state, labels_).ref.manifest;
    labels_.epoch = 4;
    labels_.run = std::string(32, 'a');
    labels_.origin.host = "a";
    ::setenv(environment::kSocket, agent_.path().c_str(), 1);
    ::setenv(environment::kJob, "job", 1);
    ::setenv(environment::kToken, "token", 1);
  }
  ~Sending() override {
    for (const auto* name : {environment::kSocket, environment::kJob, environment::kToken}) {
      ::unsetenv(name);
    }
  }

  /// Why the sender has ended; nullopt: the job was moved.
  std::future<std::optional<Error>> send() {
    return std::async(std::launch::async, [this]() -> std::optional<Error> {
      try {
        send_snapshot(store_, manifest_, labels_);
        return std::nullopt;
      } catch (const Error& error) {
        return error;
      }
    });
  }
  [[nodiscard]] std::string pack() { return store::list_all(store_, store::kPacks).at(0); }
  [[nodiscard]] static channel::BeginSync to_nobody(const std::string& migration) {
    channel::BeginSync begin;
    begin.migration = migration;
    begin.host = "127.0.0.1";
    begin.port = 1;  // nobody listens there
    begin.token = "token";
    begin.transports = "tcp";
    begin.spec.strategy = Strategy::stop_copy;
    return begin;
  }

  const test::TempDir dir_;
  test::ScriptedAgent agent_{(dir_.path() / "agent").string()};
  test::HookedStore store_;
  SnapshotLabels labels_;
  store::ObjectId manifest_;
};

/// The job's program starts meanwhile. Nothing goes to it before every byte is proven.
TEST_F(Sending, TellsItsSizeBeforeItReadsAndItsStepOnceItHolds) {
  std::promise<void> may_read;
  std::atomic<int> of_packs{0};
  store_.before_read = [&, go = may_read.get_future().share()](const std::string& name) {
    // The first two are of the pack's index.
    if (name.starts_with(store::kPacks) && ++of_packs > 2) go.wait();
  };
  auto sent = send();
  auto attached = agent_.attach({.granted = true});
  auto& line = attached.line;
  EXPECT_EQ(line.hear<channel::Tracked>().state_bytes, kBytes);
  // A migration that is given up meanwhile has not begun to send.
  line.say(to_nobody("m-1"));
  line.say(channel::Release{"m-1"});
  EXPECT_EQ(line.hear<channel::Released>().migration, "m-1");
  line.say(to_nobody("m-2"));
  EXPECT_TRUE(store_.list(store::kClaimedEpochs, "", 1).empty()) << "it holds nothing yet";
  may_read.set_value();
  const auto first = line.next();
  ASSERT_TRUE(std::holds_alternative<channel::Stepped>(first)) << first.index();
  EXPECT_EQ(std::get<channel::Stepped>(first).step, kStep);
  EXPECT_FALSE(store_.list(store::kClaimedEpochs, "", 1).empty()) << "no older copy publishes now";
  while (true) {
    const auto message = line.next();
    if (const auto* failed = std::get_if<channel::Failed>(&message)) {
      EXPECT_EQ(failed->migration, "m-2") << "it was begun, and found nobody";
      break;
    }
  }
  line.say(channel::Retire{"m-2"});
  EXPECT_EQ(sent.get(), std::nullopt);
}

TEST_F(Sending, TellsNoStepAndClaimsNothingWhereAByteIsAnother) {
  const auto name = pack();
  auto bytes = store::get(store_, name, store::kPackBytesMax);
  bytes[bytes.size() / 2] ^= std::byte{1};
  store_.remove(name);
  (void)store_.put_new(name, bytes);
  auto sent = send();
  auto attached = agent_.attach({.granted = true});
  (void)attached.line.hear<channel::Tracked>();
  EXPECT_THROW((void)attached.line.hear<channel::Stepped>(), std::runtime_error) << "it ends";
  const auto failed = sent.get();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code(), Code::corrupt);
  EXPECT_THAT(failed->what(), ::testing::HasSubstr("chunk "));
  EXPECT_TRUE(store_.list(store::kClaimedEpochs, "", 1).empty());
}

}  // namespace
}  // namespace cardswap
