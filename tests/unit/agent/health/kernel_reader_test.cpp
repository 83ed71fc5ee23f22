#include "agent/health/sources/kernel_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Ms kNow = 1'779'900'000'000;  // 2026-05-27 16:40 UTC

KernelReader reader(LogForm form = LogForm::file) { return {form, {"node7"}, "boot-1"}; }

/// "xid:79@0000:3b:00" for each fault in the lines.
std::vector<std::string> faults(const std::vector<std::string>& lines,
                                LogForm form = LogForm::file) {
  auto reads = reader(form);
  std::vector<std::string> found;
  for (const auto& line : lines) {
    for (const auto& fault : reads.read(line, kNow).faults) {
      found.push_back(fault.code + (fault.pci.empty() ? "" : "@" + fault.pci));
    }
  }
  return found;
}
LineFate fate(const std::string& line, LogForm form = LogForm::file) {
  return reader(form).read(line, kNow).fate;
}

const std::string kXid79 = "NVRM: Xid (PCI:0000:3b:00): 79, pid=0, GPU has fallen off the bus.";

TEST(KernelReader, ReadsAnXidBehindEverythingThatLogDaemonsPutBeforeIt) {
  for (const auto* prefix : {"",
                             "[16450076.435595] ",
                             "[    5.123456] ",
                             "[Fri Aug  9 13:32:56 2024] ",
                             "[May27 16:50] ",
                             "[  +0.000001] ",
                             "[   12.345678][   T12] ",
                             "[   12.345678] [ C3] ",
                             "May 27 16:50:10 node7 kernel: ",
                             "May  7 16:50:10 node7 kernel: [16450076.435595] ",
                             "May 27 16:50:10 NODE7.cluster kernel[0]: ",
                             "May 27 16:50:10.123456 node7 kernel: ",
                             "May 27 2026 16:50:10 node7 kernel: ",
                             "2026-02-14T05:03:42.123456+00:00 node7 kernel: ",
                             "2026-02-14T05:03:42+0100 node7 kernel: [  12.3] ",
                             "2026-02-14T05:03:42Z node7 kernel: ",
                             "2026-02-14 05:03:42 node7 kernel: ",
                             "Wed 2026-05-27 16:50:10 UTC node7 kernel: ",
                             "Wed 2026-05-27 18:50:10 CEST node7 kernel: ",
                             "1779900000.123456 node7 kernel: ",
                             "[16450076.435595] node7 kernel: ",
                             "[16450076.435595 <    0.000001 >] node7 kernel: ",
                             "kern  :warn  : [Fri Aug  9 13:32:56 2024] ",
                             "kern  :err   : [  123.456789] ",
                             "<4>[  123.456789] ",
                             "<3>May 27 16:50:10 node7 kernel: ",
                             "<4>1 2026-02-14T05:03:42.123456+00:00 node7 kernel - - - ",
                             "2024-08-09T13:32:56,123456+00:00 ",
                             "4,1290,98766002,-;",
                             "3,1,2,c,more=1;",
                             "kernel: "}) {
    EXPECT_THAT(faults({prefix + kXid79}), ElementsAre("xid:79@0000:3b:00")) << prefix;
    EXPECT_THAT(faults({prefix + kXid79 + "\r"}), ElementsAre("xid:79@0000:3b:00")) << prefix;
  }
}

TEST(KernelReader, ReadsANumberThatEndsItsLine) {
  for (const auto* end : {"", "\r"}) {
    EXPECT_THAT(faults({std::string("NVRM: Xid (PCI:0000:3b:00): 79") + end}),
                ElementsAre("xid:79@0000:3b:00"));
  }
}

TEST(KernelReader, ReadsTheJournalsOwnForms) {
  const auto json = [](const std::string& more) {
    return R"({"__REALTIME_TIMESTAMP":"1779900000000000","MESSAGE":")" + kXid79 + "\"," + more +
           "}";
  };
  EXPECT_THAT(faults({json(R"("_TRANSPORT":"kernel","SYSLOG_FACILITY":"0","_HOSTNAME":"node7")")}),
              ElementsAre("xid:79@0000:3b:00"));
  EXPECT_THAT(faults({"\x1e" + json(R"("_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"kernel")")}),
              ElementsAre("xid:79@0000:3b:00"));
  for (const auto* forged :
       {R"("_TRANSPORT":"kernel","SYSLOG_FACILITY":"1","SYSLOG_IDENTIFIER":"kernel")",
        R"("_TRANSPORT":"syslog","SYSLOG_FACILITY":"0","SYSLOG_IDENTIFIER":"kernel")",
        R"("_TRANSPORT":"stdout")", R"("x":1)"}) {
    EXPECT_EQ(fate(json(forged)), LineFate::not_kernel) << forged;
  }
  const auto exported = [](const std::string& transport) {
    return std::vector<std::string>{"__CURSOR=s=1;i=2",
                                    "__REALTIME_TIMESTAMP=1779900000000000",
                                    "_BOOT_ID=boot1",
                                    "_TRANSPORT=" + transport,
                                    "SYSLOG_FACILITY=0",
                                    "SYSLOG_IDENTIFIER=kernel",
                                    "MESSAGE=" + kXid79,
                                    "_HOSTNAME=node7",
                                    ""};
  };
  EXPECT_THAT(faults(exported("kernel")), ElementsAre("xid:79@0000:3b:00"));
  EXPECT_THAT(faults(exported("journal")), IsEmpty());
}

TEST(KernelReader, ReadsMigInstancesAndOlderSpellings) {
  auto reads = reader();
  for (const auto* bracket : {"PCI:0000:3b:00 GPU-I:05", "PCI:0000:3b:00 GPU-I:05 GPU-CI:01",
                              "PCI:0000:3B:00.0, GPU-I:5", "PCI:00000000:3b:00 MIG 5"}) {
    const auto reading = reads.read(
        fmt::format("NVRM: Xid ({}): 94, pid=7194, Contained: CE User Channel", bracket), kNow);
    ASSERT_EQ(reading.faults.size(), 1U) << bracket;
    EXPECT_EQ(reading.faults[0].code, "xid:94");
    EXPECT_EQ(reading.faults[0].pci, "0000:3b:00");
    EXPECT_EQ(reading.faults[0].pid, 7194);
    EXPECT_THAT(reading.faults[0].detail, HasSubstr("5"));
    EXPECT_THAT(reading.faults[0].detail, HasSubstr("MIG instance"));
  }
  EXPECT_THAT(faults({"NVRM: Xid (0000:3b:00): 13, Graphics Exception"}),
              ElementsAre("xid:13@0000:3b:00"));
}

TEST(KernelReader, HearsThatAGpuIsGoneWithoutAnXid) {
  EXPECT_THAT(faults({"[ 1843.308145] NVRM: The NVIDIA GPU 0000:3b:00.0",
                      "               NVRM: (PCI ID: 10de:26b5) installed in this system has",
                      "               NVRM: fallen off the bus and is not responding to commands.",
                      "[ 1843.439662] NVRM: The NVIDIA probe routine failed for 1 device(s)."}),
              ElementsAre("xid:79@0000:3b:00", "driver:init_failed"));
  for (const auto* end : {"\\x0a", "#012"}) {
    EXPECT_THAT(faults({fmt::format("4,1290,98766002,-;NVRM: The NVIDIA GPU 0000:3b:00.0{0}NVRM: "
                                    "(PCI ID: 10de:26b5) installed in this system has{0}NVRM: "
                                    "fallen off the bus and is not responding to commands.",
                                    end)},
                       LogForm::kmsg),
                ElementsAre("xid:79@0000:3b:00"));
    EXPECT_THAT(
        faults({fmt::format("4,1290,98766002,-;NVRM: loading NVIDIA UNIX x86_64{}{}", end, kXid79)},
               LogForm::kmsg),
        ElementsAre("xid:79@0000:3b:00"))
        << "a line of its own in one record";
  }
  EXPECT_THAT(faults({"4,1,2,-;NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.",
                      "4,2,3,-;NVRM: GPU 0000:3b:00.0: RmInitAdapter failed! (0x22:0x56:894)",
                      "4,3,4,-;NVRM: GPU 0000:3b:00.0: rm_init_adapter failed, device minor 0",
                      "4,4,5,-;NVRM: nvAssertOkFailedNoLog: Assertion failed: Reset required "
                      "[NV_ERR_RESET_REQUIRED] (0x00000062) returned",
                      "4,5,6,-;NVRM: GPU 0000:3b:00.0: Reset required"},
                     LogForm::kmsg),
              ElementsAre("xid:79@0000:3b:00", "xid:143@0000:3b:00", "xid:143@0000:3b:00",
                          "driver:reset_required", "reset_required@0000:3b:00"));
}

TEST(KernelReader, CountsWhatItDoesNotUnderstandAndSaysWhy) {
  EXPECT_EQ(fate("something else: " + kXid79), LineFate::not_kernel);
  EXPECT_EQ(fate("@@ " + kXid79), LineFate::unplaced);
  EXPECT_EQ(fate("NVRM: Xid (PCI:zz): 79, x"), LineFate::unplaced);
  EXPECT_EQ(fate("NVRM: something nobody has seen"), LineFate::unplaced);
  EXPECT_EQ(fate("NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.144.03"), LineFate::well);
  EXPECT_EQ(fate("May 27 16:50:10 node7 kernel: usb 1-1: Product: " + kXid79), LineFate::unplaced);
  EXPECT_EQ(fate("May 27 16:50:10 node7 sshd[12]: " + kXid79), LineFate::not_kernel);
  EXPECT_EQ(fate("May 27 16:50:10 node8 kernel: " + kXid79), LineFate::other_host);
  EXPECT_EQ(fate("user  :notice: [  123.456789] " + kXid79), LineFate::not_kernel);
  EXPECT_EQ(fate("<12>[  123.456789] " + kXid79), LineFate::not_kernel);
  EXPECT_EQ(fate("usb 1-1: new device"), LineFate::nothing);
  EXPECT_EQ(fate(""), LineFate::nothing);
}

TEST(KernelReader, ShowsAnotherHostsNameShortAndWrittenOut) {
  const auto line = [](const std::string& host) {
    return R"({"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "MESSAGE": ")" + kXid79 +
           R"(", "_HOSTNAME": ")" + host + "\"}";
  };
  const auto judged = reader().read(line(R"(b\u001b[2J\u202e)"), kNow);
  EXPECT_EQ(judged.fate, LineFate::other_host);
  EXPECT_EQ(judged.why, R"(it names host b\x1b[2J\u202e)");
  EXPECT_LT(reader().read(line(std::string(10'000, 'b')), kNow).why.size(), 100U);
}

TEST(KernelReader, TakesFromTheDeviceOnlyWhatTheKernelWrote) {
  EXPECT_EQ(fate("4,1,2,-;" + kXid79, LogForm::kmsg), LineFate::fault);
  EXPECT_EQ(fate("12,1,2,-;" + kXid79, LogForm::kmsg), LineFate::not_kernel);
  EXPECT_EQ(fate(kXid79, LogForm::kmsg), LineFate::unplaced);
  EXPECT_EQ(fate("May 27 16:50:10 node7 kernel: " + kXid79, LogForm::kmsg), LineFate::unplaced);
  EXPECT_EQ(fate("12,1,2,-;x: 4,1,2,-;" + kXid79, LogForm::kmsg), LineFate::nothing);
  EXPECT_EQ(fate(" SUBSYSTEM=" + kXid79, LogForm::kmsg), LineFate::nothing);
}

TEST(KernelReader, LeavesOutWhatIsOlderThanTheBoot) {
  KernelReader::Since since;
  since.other_boot = true;
  since.wall = kNow;
  const auto old = [&](const std::string& line) {
    return reader().read(line, kNow + 3'600'000, since).fate;
  };
  EXPECT_EQ(old("2026-05-27T15:00:00Z node7 kernel: " + kXid79), LineFate::too_old);
  EXPECT_EQ(old("2026-05-27T17:00:00Z node7 kernel: " + kXid79), LineFate::fault);
  EXPECT_EQ(old("[  12.345] " + kXid79), LineFate::too_old)
      << "nothing says that it is of this boot";
  // A time without a year that would be ahead of the clock is of last year.
  constexpr Ms kSecondOfJanuary = 1'798'891'200'000;
  since.wall = kSecondOfJanuary - 3'600'000;
  EXPECT_EQ(reader().read("Dec 30 12:00:00 node7 kernel: " + kXid79, kSecondOfJanuary, since).fate,
            LineFate::too_old);
  since.wall = kNow;
  auto reads = reader();
  EXPECT_TRUE(reads.read("[    0.000000] Linux version 6.1.0", kNow, since).begins_boot);
  EXPECT_EQ(reads.read("[  12.345] " + kXid79, kNow, since).fate, LineFate::fault);
}

TEST(KernelReader, IsNotFooledByLongOrBrokenLines) {
  for (const auto& line : std::vector<std::string>{
           std::string(100'000, '['), "[" + std::string(50'000, '1') + "] " + kXid79,
           std::string(50'000, ' ') + "x" + kXid79, "{" + kXid79, "{\"MESSAGE\":7}",
           "NVRM:", "NVRM: Xid (", std::string("\0NVRM:\xff", 7)}) {
    EXPECT_NE(fate(line), LineFate::fault);
  }
}

/// A journal writes what is no UTF-8 as a list of bytes. What is no byte must not become one.
TEST(KernelReader, ReadsAMessageOfBytesAndNoNumberThatIsNone) {
  const auto line = [](int first) {
    std::string bytes = std::to_string(first);
    for (const char byte : kXid79.substr(1)) bytes += fmt::format(",{}", static_cast<int>(byte));
    return R"({"about":"NVRM:","_TRANSPORT":"kernel","SYSLOG_FACILITY":"0","MESSAGE":[)" + bytes +
           "]}";
  };
  EXPECT_THAT(faults({line('N')}), ElementsAre("xid:79@0000:3b:00"));
  EXPECT_THAT(faults({line('N' + 256)}), IsEmpty());
  EXPECT_THAT(faults({line('N' - 256)}), IsEmpty());
}

}  // namespace
}  // namespace cardswap::health
