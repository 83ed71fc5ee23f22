#include "agent/health/decisions/xid_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/health/decisions/policy.h"
#include "agent/health/sources/driver_message.h"

namespace cardswap::health {
namespace {

using ::testing::HasSubstr;

struct Row {
  std::string xids;  ///< "13" or "39-41"
  ActionClass action_class;
  PolicyAction action;
};

/// The reference's table (docs/health.md), written a second time by hand: a slip in one shows.
const std::vector<Row> kReference{
    {"8", ActionClass::restart_same, PolicyAction::alert},
    {"11", ActionClass::restart_same, PolicyAction::alert},
    {"13", ActionClass::restart_same, PolicyAction::alert},
    {"25", ActionClass::restart_same, PolicyAction::alert},
    {"31-32", ActionClass::restart_same, PolicyAction::alert},
    {"37-38", ActionClass::ignore, PolicyAction::ignore},
    {"39-41", ActionClass::restart_same, PolicyAction::alert},
    {"43-45", ActionClass::ignore, PolicyAction::ignore},
    {"46", ActionClass::restart_other, PolicyAction::recover},
    {"48", ActionClass::restart_other, PolicyAction::recover},
    {"54", ActionClass::live, PolicyAction::migrate},
    {"60", ActionClass::restart_same, PolicyAction::alert},
    {"62", ActionClass::restart_other, PolicyAction::recover},
    {"63", ActionClass::live_low, PolicyAction::migrate},
    {"64", ActionClass::live, PolicyAction::migrate},
    {"66-68", ActionClass::ignore, PolicyAction::ignore},
    {"69-72", ActionClass::restart_same, PolicyAction::alert},
    {"74", ActionClass::live_deadline, PolicyAction::migrate},
    {"75-77", ActionClass::restart_same, PolicyAction::alert},
    {"79", ActionClass::node, PolicyAction::drain},
    {"80", ActionClass::restart_same, PolicyAction::alert},
    {"82-86", ActionClass::restart_same, PolicyAction::alert},
    {"88-89", ActionClass::restart_same, PolicyAction::alert},
    {"92", ActionClass::live_low, PolicyAction::migrate},
    {"93", ActionClass::ignore, PolicyAction::ignore},
    {"94", ActionClass::contained, PolicyAction::migrate},
    {"95", ActionClass::restart_other, PolicyAction::recover},
    {"96-105", ActionClass::restart_same, PolicyAction::alert},
    {"106-107", ActionClass::ignore, PolicyAction::ignore},
    {"109", ActionClass::restart_same, PolicyAction::alert},
    {"110", ActionClass::restart_other, PolicyAction::recover},
    {"119-120", ActionClass::live_deadline, PolicyAction::migrate},
    {"121", ActionClass::ignore, PolicyAction::ignore},
    {"126-135", ActionClass::restart_same, PolicyAction::alert},
    {"136", ActionClass::live_deadline, PolicyAction::migrate},
    {"137", ActionClass::ignore, PolicyAction::ignore},
    {"139", ActionClass::restart_same, PolicyAction::alert},
    {"140", ActionClass::restart_other, PolicyAction::recover},
    {"141", ActionClass::ignore, PolicyAction::ignore},
    {"143", ActionClass::restart_other, PolicyAction::recover},
    {"144-150", ActionClass::report, PolicyAction::alert},
    {"151", ActionClass::node, PolicyAction::drain},
    {"152-154", ActionClass::ignore, PolicyAction::ignore},
    {"155", ActionClass::live_deadline, PolicyAction::migrate},
    {"156", ActionClass::report, PolicyAction::alert},
    {"157", ActionClass::ignore, PolicyAction::ignore},
    {"158", ActionClass::restart_other, PolicyAction::recover},
    {"160", ActionClass::report, PolicyAction::alert},
    {"161", ActionClass::ignore, PolicyAction::ignore},
    {"162-166", ActionClass::report, PolicyAction::alert},
    {"167", ActionClass::restart_other, PolicyAction::recover},
    {"168", ActionClass::live, PolicyAction::migrate},
    {"169-170", ActionClass::report, PolicyAction::alert},
    {"171-172", ActionClass::ignore, PolicyAction::ignore},
    {"173", ActionClass::node, PolicyAction::drain},
};

std::pair<unsigned, unsigned> range_of(const std::string& text) {
  const auto dash = text.find('-');
  const auto first = static_cast<unsigned>(std::stoul(text));
  return {first, dash == std::string::npos
                     ? first
                     : static_cast<unsigned>(std::stoul(text.substr(dash + 1)))};
}

TEST(XidTable, LeadsEveryXidFromTheKernelsLineToItsAction) {
  const Policy policy;
  std::vector<const Row*> by_xid(1000, nullptr);
  for (const auto& row : kReference) {
    const auto [first, last] = range_of(row.xids);
    for (auto xid = first; xid <= last; ++xid) by_xid[xid] = &row;
  }
  for (unsigned xid = 1; xid < by_xid.size(); ++xid) {
    SCOPED_TRACE(xid);
    const auto line = xid_line(fmt::format(
        "4,1234,5678,-;NVRM: Xid (PCI:0000:3b:00): {}, pid=77, name=python, text", xid));
    ASSERT_TRUE(line);
    ASSERT_EQ(line->xid, xid);
    Finding finding;
    finding.device = "cuda:0";
    finding.code = fmt::format("xid:{}", line->xid);
    finding.detail = line->detail;
    const auto verdict = policy.judge(finding, {0});
    const auto* row = by_xid[xid];
    EXPECT_EQ(verdict.action_class, row == nullptr ? ActionClass::report : row->action_class);
    EXPECT_EQ(verdict.action, row == nullptr ? PolicyAction::alert : row->action);
  }
}

TEST(XidTable, HasNoRowTwiceAndIsSorted) {
  unsigned last = 0;
  for (const auto& row : xid_rows()) {
    EXPECT_GT(row.first, last);
    EXPECT_GE(row.last, row.first);
    EXPECT_EQ(row.meaning.code, fmt::format("xid:{}", row.first));
    EXPECT_FALSE(row.meaning.text.empty());
    last = row.last;
  }
}

TEST(XidTable, NeverCopiesFromADeviceThatIsGoneOrCorrupt) {
  for (const auto* code : {"xid:46", "xid:48", "xid:62", "xid:79", "xid:95", "xid:110", "xid:140",
                           "xid:143", "xid:158", "xid:167", "xid:173", "recovery:gpu_reset",
                           "recovery:node_reboot", "recovery:other", "reset_required"}) {
    EXPECT_FALSE(may_copy(meaning_of(code).action_class)) << code;
  }
  for (const auto* code :
       {"xid:54", "xid:63", "xid:64", "xid:74", "xid:92", "xid:119", "xid:168",
        "recovery:drain_and_reset", "recovery:drain_p2p", "throttle:hw_thermal"}) {
    EXPECT_TRUE(may_copy(meaning_of(code).action_class)) << code;
    EXPECT_EQ(action_of(meaning_of(code).action_class), PolicyAction::migrate) << code;
  }
}

TEST(XidTable, ReadsHowBadAnNvlinkUnitIsFromItsText) {
  EXPECT_EQ(meaning_of("xid:145", "RLW Nonfatal XC1").action_class, ActionClass::ignore);
  EXPECT_EQ(meaning_of("xid:145", "RLW Nonfatal XID_154_EVAL").action_class,
            ActionClass::restart_same);
  EXPECT_EQ(meaning_of("xid:149", "NETIR Link Fatal").action_class, ActionClass::live_deadline);
  EXPECT_EQ(meaning_of("xid:144", "SAW Fatal").action_class, ActionClass::restart_other);
  EXPECT_EQ(meaning_of("xid:150", "").action_class, ActionClass::report);
}

TEST(XidTable, TakesASecondCopyEngineFaultWithinADayForTheDevices) {
  const Policy policy;
  constexpr Ms kHour = 3'600'000;
  Finding finding;
  finding.device = "cuda:0";
  finding.code = "xid:39";
  finding.at = 100 * kHour;
  EXPECT_EQ(policy.judge(finding, {finding.at}).action, PolicyAction::alert);
  EXPECT_EQ(policy.judge(finding, {finding.at - 23 * kHour, finding.at}).action,
            PolicyAction::migrate);
  EXPECT_EQ(policy.judge(finding, {finding.at - 25 * kHour, finding.at}).action,
            PolicyAction::alert);
}

TEST(KernelLine, IsReadInEveryFormThatALogHasIt) {
  for (const auto* line :
       {"NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the "
        "bus.",
        "[ 1234.567890] NVRM: Xid (PCI:0000:3B:00): 79, pid=12, GPU has fallen off the bus.",
        "3,881,1234567890,-;NVRM: Xid (PCI:0000:3b:00.0): 79, GPU has fallen off the bus.\n "
        "SUBSYSTEM=pci",
        "4,1,2,c,more=1;NVRM: Xid (PCI:00000000:3b:00): 79, GPU has fallen off the bus."}) {
    const auto found = xid_line(line);
    ASSERT_TRUE(found) << line;
    EXPECT_EQ(found->pci, "0000:3b:00") << line;
    EXPECT_EQ(found->xid, 79U) << line;
    EXPECT_THAT(found->detail, HasSubstr("fallen off")) << line;
    EXPECT_EQ(found->detail.find("SUBSYSTEM"), std::string::npos);
  }
  EXPECT_EQ(xid_line("NVRM: Xid (PCI:0000:3b:00): 94, pid=4711, name=python, Contained")->pid,
            4711);
}

TEST(KernelLine, TellsTheRecoveryActionOfXid154) {
  const auto found = xid_line(
      "NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 (None) to 0x4 (Drain "
      "and "
      "Reset)");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->recovery, 4U);
  EXPECT_EQ(recovery_code(*found->recovery), "recovery:drain_and_reset");
}

TEST(KernelLine, IsNotFooled) {
  const std::string long_line(100'000, 'x');
  for (const auto& line : std::vector<std::string>{
           "", ";", "4", "4,", "4;NVRM: Xid (PCI:0000:3b:00): 79, x", "NVRM: Xid",
           "NVRM: Xid (PCI:", "NVRM: Xid (PCI:): 79, x", "NVRM: Xid (PCI:0000:3b:00): , x",
           "NVRM: Xid (PCI:0000:3b:00): -79, x", "NVRM: Xid (PCI:0000:3b:00): 0, x",
           "NVRM: Xid (PCI:0000:3b:00): 99999999999999999999, x", "NVRM: Xid (PCI:zz:3b:00): 79, x",
           "NVRM: Xid (PCI:0000:3b:00): 79garbage", "NVRM: Xid (PCI:" + long_line,
           // a process wrote it: facility 1
           "12,1,2,-;NVRM: Xid (PCI:0000:3b:00): 79, x",
           // words inside another message
           "4,1,2,-;usb 1-1: Product: NVRM: Xid (PCI:0000:3b:00): 79, x", long_line,
           std::string("\0\xff\xfe;\0", 5)}) {
    EXPECT_FALSE(xid_line(line)) << line.substr(0, 60);
  }
  const auto found = xid_line("NVRM: Xid (PCI:0000:3b:00): 31, \x1b[2J\xff" + long_line);
  ASSERT_TRUE(found);
  EXPECT_LE(found->detail.size(), 300U);
  EXPECT_EQ(found->detail.find('\x1b'), std::string::npos);
  const auto turned = xid_line("NVRM: Xid (PCI:0000:3b:00): 31, \xe2\x80\xaereversed \xc2\x9b");
  ASSERT_TRUE(turned);
  EXPECT_EQ(turned->detail, "\\u202ereversed \\x9b") << "a terminal obeys these too";
}

TEST(DeviceNames, AreUuidsAndPciAddressesInAnySpelling) {
  const std::vector<DeviceName> devices{{"cuda:0", "GPU-aa", "0000:3b:00"},
                                        {"cuda:1", "GPU-bb", ""}};
  EXPECT_EQ(device_called(devices, "cuda:1"), "cuda:1");
  EXPECT_EQ(device_called(devices, "gpu-BB"), "cuda:1");
  EXPECT_EQ(device_called(devices, "00000000:3B:00.0"), "cuda:0");
  EXPECT_EQ(device_called(devices, "3b:00.0"), "cuda:0");
  EXPECT_FALSE(device_called(devices, "0"));
  EXPECT_FALSE(device_called(devices, ""));
  EXPECT_FALSE(device_called(devices, "0000:3c:00"));
}

TEST(Patterns, MatchWithStars) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("xid:*", "xid:79"));
  EXPECT_TRUE(matches("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(matches("xid:7", "xid:79"));
  EXPECT_FALSE(matches("*a*b*a*b*a*b*a*c", std::string(20'000, 'a')));
}

}  // namespace
}  // namespace cardswap::health
