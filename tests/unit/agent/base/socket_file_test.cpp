#include "agent/base/socket_file.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>
#include <iterator>

#include "migrator/base/error.h"
#include "tests/support/temp_dir.h"

namespace cardswap::test {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SocketFile, IsRemovedAndNothingElseIs) {
  const TempDir dir;
  const auto file = dir.path() / "precious";
  std::ofstream(file) << "text";
  const auto link = dir.path() / "link";
  fs::create_symlink(file, link);
  fs::create_directory(dir.path() / "folder");
  for (const auto* name : {"precious", "link", "folder"}) {
    try {
      remove_old_socket(dir.path() / name, "choose another one");
      ADD_FAILURE() << name << " was removed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::refused) << name;
      EXPECT_EQ(error.hint(), "choose another one");
    }
    EXPECT_TRUE(fs::exists(fs::symlink_status(dir.path() / name))) << name;
  }
  EXPECT_EQ(text_of(file), "text");

  boost::asio::io_context context;
  const auto socket = dir.path() / "s";
  { boost::asio::local::stream_protocol::acceptor ended(context, socket.string()); }
  ASSERT_TRUE(fs::exists(socket)) << "a socket's file stays when its program has ended";
  remove_old_socket(socket, "");
  EXPECT_FALSE(fs::exists(socket));
  EXPECT_NO_THROW(remove_old_socket(socket, "")) << "there is none";
}

}  // namespace
}  // namespace cardswap::test
