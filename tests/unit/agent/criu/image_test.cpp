#include <gmock/gmock.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <boost/asio/write.hpp>
#include <fstream>
#include <list>

#include "agent/base/task_group.h"
#include "agent/criu/image_frames.h"
#include "agent/criu/image_manifest.h"
#include "agent/criu/image_stream.h"
#include "migrator/base/error.h"
#include "tests/support/needs.h"

namespace cardswap::criu {
namespace {

ImageManifest manifest_of(std::vector<ImageFile> files) {
  return {std::move(files), "socket:[4711]", {"/var/log/job"}, {4, 4711}};
}

TEST(ImageManifest, IsReadBack) {
  const auto manifest = manifest_of({{"core-1.img", 12}, {"pages-1.img", 1U << 20}});
  EXPECT_EQ(decode_manifest(encode(manifest)), manifest);
}

TEST(ImageManifest, RefusesWhatWouldLeaveItsFolder) {
  for (const auto* name : {"../x.img", "a/b.img", ".img", "x", "x.img\n", "", ".hidden.img"}) {
    EXPECT_THROW((void)decode_manifest(encode(manifest_of({{name, 1}}))), Error) << name;
  }
  EXPECT_THROW((void)decode_manifest(encode(manifest_of({{"a.img", 1}, {"a.img", 1}}))), Error);
  EXPECT_THROW((void)decode_manifest(encode(manifest_of({{"a.img", ~0ULL}, {"b.img", 2}}))), Error);
  auto odd = manifest_of({});
  odd.socket = "pipe:[1]";
  EXPECT_THROW((void)decode_manifest(encode(odd)), Error);
  odd = manifest_of({});
  odd.logs = {"relative"};
  EXPECT_THROW((void)decode_manifest(encode(odd)), Error);
}

/// Method: the loop is kept from running until the time is over and the byte has come, so that one
/// turn finds both: the byte's reader goes on first, and the limit's handler is queued behind it.
TEST(ImageFrames, AByteThatComesAtTheLimitLeavesTheConnectionOpen) {
  using asio::ip::tcp;
  asio::io_context context;
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  tcp::socket peer(context);
  peer.connect(acceptor.local_endpoint());
  auto socket = acceptor.accept();
  const std::chrono::milliseconds limit(1);
  std::array<std::byte, 1> byte{};
  for (int i = 0; i < 50; ++i) {
    bool has_come = false;
    asio::co_spawn(context, read_all(socket, byte, limit),
                   [&](const std::exception_ptr& error) { has_come = !error; });
    context.poll();
    const auto begun = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() < begun + 2 * limit) {
    }
    asio::write(peer, asio::buffer(byte));
    context.run();
    context.restart();
    ASSERT_TRUE(has_come) << i;
    ASSERT_TRUE(socket.is_open()) << i;
  }
}

class ImageStream : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) return test::skip_without("root", "a folder in memory needs root");
  }
  static void fill(const ImageDir& dir, const std::string& name, std::size_t bytes) {
    const auto file = dir.create(name);
    const std::string text(bytes, name[0]);
    ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(bytes));
  }
  /// What the receiver and the sender ended with: "" or an error.
  struct Ends {
    std::string received, sent;
  };
  Ends pass(const ImageDir& from, const ImageManifest& manifest, const ImageDir& to,
            const std::string& key, const std::string& token = "token",
            const std::string& key_there = "same") {
    Ends ends;
    ImageReceiver receiver(context, "127.0.0.1", "token", key_there == "same" ? key : key_there);
    ImageSender sender(context);
    const auto port = receiver.port();
    tasks.spawn("receive", receive(receiver, to, ends.received));
    tasks.spawn("send", send(sender, receiver, port, token, key, from, manifest, ends.sent));
    context.run();
    context.restart();
    return ends;
  }
  static asio::awaitable<void> receive(ImageReceiver& receiver, const ImageDir& to,
                                       std::string& error) {
    try {
      (void)co_await receiver.receive(to);
    } catch (const Error& failed) {
      error = failed.failure();
    }
    if (!error.empty()) receiver.close();
  }
  static asio::awaitable<void> send(ImageSender& sender, ImageReceiver& receiver,
                                    std::uint16_t port, std::string token, std::string key,
                                    const ImageDir& from, ImageManifest manifest,
                                    std::string& error) {
    try {
      co_await sender.connect("127.0.0.1", port, token, key);
      co_await sender.send(from, manifest, 0);
    } catch (const Error& failed) {
      error = failed.failure();
    }
    if (!error.empty()) receiver.close();
    sender.close();
  }

  asio::io_context context;
  TaskGroup tasks{context};
};

/// What the kernel says that this process has for a disk.
std::uint64_t bytes_for_disks() {
  std::ifstream file("/proc/self/io");
  std::uint64_t bytes = 0;
  for (std::string word; file >> word;) {
    if (word == "write_bytes:") file >> bytes;
  }
  return bytes;
}

/// Every journal on a disk would wait for them with its own writes, and a disk would keep secrets.
TEST_F(ImageStream, ReachesNoDisk) {
  struct statfs about {};
  const ImageDir from;
  const ImageDir to;
  ASSERT_EQ(::fstatfs(to.fd(), &about), 0);
  EXPECT_EQ(about.f_type, TMPFS_MAGIC);
  const auto before = bytes_for_disks();
  fill(from, "pages-1.img", 8U << 20);
  const auto ends = pass(from, manifest_of(from.files()), to, "");
  EXPECT_EQ(ends.received + ends.sent, "");
  EXPECT_EQ(to.files(), from.files());
  EXPECT_LT(bytes_for_disks(), before + (1U << 20));
}

TEST_F(ImageStream, CarriesEveryFile) {
  for (const auto& key : {std::string(), std::string(64, 'a')}) {
    const ImageDir from;
    const ImageDir to;
    fill(from, "core-1.img", 17);
    fill(from, "pages-1.img", (3U << 20) + 5);
    fill(from, "dump.log", 9);
    fill(from, "empty.img", 0);
    const auto ends = pass(from, manifest_of(from.files()), to, key);
    EXPECT_EQ(ends.received + ends.sent, "");
    EXPECT_THAT(to.files(), ::testing::UnorderedElementsAreArray(from.files()));
    EXPECT_EQ(to.files().size(), 3U);
  }
}

TEST_F(ImageStream, IsRefusedBeforeItComesWhereItHasNoRoom) {
  const ImageDir from;
  const ImageDir to;
  constexpr auto kBytes = off_t{1} << 49;
  ASSERT_EQ(::ftruncate(from.create("pages-1.img").get(), kBytes), 0);  // a hole
  const auto ends = pass(from, manifest_of(from.files()), to, "");
  EXPECT_THAT(ends.received, ::testing::HasSubstr("takes about 512.0 TiB of memory"));
  EXPECT_TRUE(to.files().empty());
}

TEST_F(ImageStream, TakesNothingFromAStranger) {
  const ImageDir from;
  const ImageDir to;
  fill(from, "core-1.img", 17);
  const auto ends = pass(from, manifest_of(from.files()), to, "", "guess");
  EXPECT_NE(ends.sent, "");
  EXPECT_TRUE(to.files().empty());
}

/// More than are heard together, each with a word now and then.
TEST_F(ImageStream, IsNotHeldUpByStrangersWhoSayLittle) {
  const ImageDir from;
  const ImageDir to;
  fill(from, "core-1.img", 17);
  ImageReceiver receiver(context, "127.0.0.1", "token", "");
  ImageSender sender(context);
  std::list<asio::ip::tcp::socket> strangers;
  for (int i = 0; i < 40; ++i) {
    auto& socket = strangers.emplace_back(context);
    socket.connect({asio::ip::make_address("127.0.0.1"), receiver.port()});
    asio::write(socket, asio::buffer("C", 1));
  }
  Ends ends;
  const auto began = std::chrono::steady_clock::now();
  tasks.spawn("receive", receive(receiver, to, ends.received));
  tasks.spawn("send", send(sender, receiver, receiver.port(), "token", "", from,
                           manifest_of(from.files()), ends.sent));
  context.run();
  EXPECT_EQ(ends.received + ends.sent, "");
  EXPECT_EQ(to.files().size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
}

TEST_F(ImageStream, TakesNothingThatIsSealedWithAnotherKey) {
  const ImageDir from;
  const ImageDir to;
  fill(from, "core-1.img", 17);
  const auto ends = pass(from, manifest_of(from.files()), to, std::string(64, 'a'), "token",
                         std::string(64, 'b'));
  EXPECT_NE(ends.received, "");
  EXPECT_TRUE(to.files().empty());
}

}  // namespace
}  // namespace cardswap::criu
