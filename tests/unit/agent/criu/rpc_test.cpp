#include <gmock/gmock.h>

#include "agent/criu/criu_program.h"
#include "agent/criu/init_program.h"
#include "agent/criu/rpc_message.h"
#include "agent/process/exit_status.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

TEST(CriuRpc, WritesARequestAsProtocolBuffersDo) {
  Options options;
  options.pid = 300;
  options.images_dir = "/d";
  options.log_file = "l";
  options.leave_stopped = true;
  EXPECT_EQ(encode(Call::dump, options),
            bytes_of({0x08, 1,                                                        // type: DUMP
                      0x12, 41,                                                       // opts
                      0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,  // no dir fd
                      0x10, 0xac, 2,                                                  // pid 300
                      0x40, 1,                                                        // file_locks
                      0x48, 4,                                                        // log_level
                      0x52, 1,    'l',                                                // log_file
                      0x90, 2,    0,                // manage_cgroups_mode
                      0xe8, 2,    0,                // timeout
                      0xa0, 3,    1,                // tcp_close
                      0x80, 4,    3,                // network_lock
                      0xa2, 4,    2,    '/',  'd',  // images_dir
                      0xa8, 4,    1}));             // leave_stopped
}

TEST(CriuRpc, ReadsWhatARestoreAnswers) {
  const auto answer = decode_response(
      bytes_of({0x08, 2, 0x10, 1, 0x22, 3, 0x08, 0x9d, 0x4f, 0x4a, 2, 'h', 'i', 0x7d, 0, 0, 0, 0}));
  EXPECT_EQ(answer.call, Call::restore);
  EXPECT_TRUE(answer.success);
  EXPECT_EQ(answer.restored_pid, 10141);
  EXPECT_EQ(answer.message, "hi");
}

TEST(CriuRpc, RefusesANumberThatItsFieldCannotHold) {
  EXPECT_EQ(decode_response(bytes_of({0x38, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}))
                .error_number,
            -1);
  for (const auto& bytes : {
           bytes_of({0x08, 0x82, 2}),                                // another call, 256 further on
           bytes_of({0x22, 6, 0x08, 0x9d, 0xcf, 0x80, 0x80, 0x10}),  // a pid, 2^32 further on
           bytes_of({0x38, 0x80, 0x80, 0x80, 0x80, 0x10}),
       }) {
    EXPECT_THROW((void)decode_response(bytes), Error);
  }
}

TEST(CriuRpc, KnowsAStage) {
  const auto told = decode_response(bytes_of({0x08, 6, 0x10, 1, 0x2a, 4, 0x0a, 2, 'h', 'i'}));
  EXPECT_EQ(told.call, Call::notify);
  EXPECT_EQ(told.stage, "hi");
  EXPECT_EQ(encode_go_on(), bytes_of({0x08, 6, 0x18, 1}));
}

TEST(CriuRpc, RefusesAnAnswerThatIsCut) {
  const auto whole = bytes_of({0x08, 2, 0x10, 1, 0x4a, 2, 'h', 'i'});
  for (const std::size_t size : {1U, 3U, 5U, 6U, 7U}) {
    EXPECT_THROW((void)decode_response(std::span(whole).first(size)), Error) << size;
  }
  EXPECT_THROW(
      (void)decode_response(bytes_of({0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})),
      Error);
}

TEST(CriuRpc, TellsErrorsWithoutTheHarmlessOne) {
  EXPECT_EQ(errors_in_log("(00.1) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE\n"
                          "(00.2) Warn  (criu/x.c:1): no\n"
                          "(00.3) Error (criu/files-reg.c:1790): Can't lookup mount=30\n"
                          "(00.4) Error (criu/cr-dump.c:2111): Dumping FAILED."),
            "Can't lookup mount=30; Dumping FAILED.");
  EXPECT_EQ(errors_in_log(""), "");
  EXPECT_EQ(errors_in_log(
                "(1) Error (criu/files-reg.c:2): File /x has bad mode 0100600 (expect 0100644)\n"
                "(2) Error (criu/files-reg.c:3): File /y has bad size 7 (expect 9)\n"),
            "File /x is another one here, or was changed; File /y is another one here, or was "
            "changed");
}

TEST(CriuRpc, ReadsAReportAsItComes) {
  EXPECT_EQ(parse_report("init 12\nok 34\n").restored, 34);
  EXPECT_EQ(parse_report("init 12\nok 3").ok, false);
  const auto failed = parse_report("init 12\nfailed\nno such file\n");
  EXPECT_EQ(failed.init, 12);
  EXPECT_FALSE(failed.ok);
  EXPECT_EQ(failed.failure, "no such file");
  EXPECT_FALSE(parse_report("").ok);
}

TEST(CriuTool, KnowsItsVersions) {
  EXPECT_EQ(version_in("Version: 4.1.1\nGitID: v4"), "4.1.1");
  EXPECT_EQ(version_in("command not found"), "");
  EXPECT_FALSE(is_new_enough("3.17.1"));
  EXPECT_FALSE(is_new_enough("4.0"));
  EXPECT_TRUE(is_new_enough("4.1"));
  EXPECT_TRUE(is_new_enough("4.2-22"));
  EXPECT_TRUE(is_new_enough("5"));
  EXPECT_FALSE(is_new_enough(""));
}

TEST(CriuExitStatus, IsReadBack) {
  EXPECT_EQ(parse_exit_status("exit 3\n"), (ExitStatus{3, std::nullopt}));
  EXPECT_EQ(parse_exit_status("signal 9"), (ExitStatus{std::nullopt, 9}));
  for (const auto* odd : {"", "exit", "exit x", "signal 0", "exit 256", "left 1", "exit -1"}) {
    EXPECT_FALSE(parse_exit_status(odd)) << odd;
  }
  EXPECT_EQ(exit_status_text(3 << 8), "exit 3");
  EXPECT_EQ(exit_status_text(9), "signal 9");
}

}  // namespace
}  // namespace cardswap::criu
