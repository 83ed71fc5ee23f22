#include "runtime/session/attached_file.h"

#include <cardswap/session.h>
#include <gmock/gmock.h>

#include <fstream>

#include "migrator/base/error.h"
#include "migrator/core/attached_name.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class AttachedFile : public ::testing::Test {
 protected:
  [[nodiscard]] Code refusal_of(std::string_view name) {
    auto session = Session::open();
    try {
      session.attach(name, file_);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << name << " was attached";
    return Code::internal;
  }
  void write(std::string_view text) { std::ofstream(file_, std::ios::binary) << text; }

  test::TempDir dir_;
  std::filesystem::path file_ = dir_.path() / "config.json";
};

TEST_F(AttachedFile, HasTheBytesOfItsFileAsTheyWere) {
  write(std::string_view("{}\0\n", 4));
  AttachedFileState state(read_attached(file_));
  write("something else");
  EXPECT_EQ(state.save(), bytes_of(std::string_view("{}\0\n", 4)));
  state.load(bytes_of("of the source"));
  EXPECT_EQ(state.save(), bytes_of("of the source"));
  write("");
  EXPECT_TRUE(read_attached(file_).empty());
}

TEST_F(AttachedFile, IsPartOfWhatIsTracked) {
  write("{}");
  auto session = Session::open();
  const auto without = session.state_digest();
  session.attach("config.json", file_);
  EXPECT_NE(session.state_digest(), without);
  EXPECT_THROW(session.attach("config.json", file_), Error) << "the name is in use";
}

TEST_F(AttachedFile, ThatIsMissingOrTooLargeIsRefused) {
  EXPECT_EQ(refusal_of("config.json"), Code::io);
  std::filesystem::create_directory(file_);
  EXPECT_EQ(refusal_of("config.json"), Code::io) << "a folder";
  std::filesystem::remove(file_);
  write(std::string(kAttachedBytesMax, 'x'));
  EXPECT_EQ(read_attached(file_).size(), kAttachedBytesMax);
  write(std::string(kAttachedBytesMax + 1, 'x'));
  EXPECT_EQ(refusal_of("config.json"), Code::bad_request);
}

/// An export makes a file of that name, perhaps in another user's hands.
TEST_F(AttachedFile, HasANameThatCannotLeadOutOfAFolder) {
  write("{}");
  for (const auto* name :
       {"", ".", "..", "../x", "a/b", ".hidden", "-force", "a b", "a\nb", "\xc3\xa4"}) {
    EXPECT_EQ(refusal_of(name), Code::bad_request) << name;
  }
  EXPECT_EQ(refusal_of(std::string(101, 'a')), Code::bad_request);
  EXPECT_TRUE(is_attachable_name(std::string(100, 'a')));
}

}  // namespace
}  // namespace cardswap
