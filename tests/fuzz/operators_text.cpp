/// What people, files and the kernel say: destinations, sizes, times, token files, the tokens of
/// callers, the health policy's YAML, lines of the kernel's log.

#include "agent/base/units.h"
#include "agent/handover/source/migration.h"
#include "agent/health/decisions/policy_yaml.h"
#include "agent/health/sources/kernel_reader.h"
#include "agent/security/tokens.h"
#include "migrator/base/utf8.h"
#include "tests/fuzz/seeds.h"

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  const std::string digest(64, 'a');
  return {bytes_of("viewer " + digest + " alice # laptop\noperator " + digest + "\n"),
          bytes_of("[fd00::1]:7070/cpu:0"),
          bytes_of("gpu-b/cpu:0"),
          bytes_of("1.5GiB"),
          bytes_of("200MiB/s"),
          bytes_of("300ms"),
          bytes_of("Bearer token"),
          bytes_of(
              "NVRM: Xid (PCI:0000:3b:00): 154, pid=7, GPU recovery action changed from 0x0 (None) "
              "to 0x2 (Node Reboot Required)"),
          bytes_of("May 27 16:50:10 node7 kernel: [16450076.435595] NVRM: Xid (PCI:0000:3b:00 "
                   "GPU-I:05): 94, x"),
          bytes_of("2026-02-14T05:03:42.123456+00:00 node7 kernel: NVRM: GPU 0000:3b:00.0: "
                   "RmInitAdapter failed!"),
          bytes_of("{\"MESSAGE\":\"NVRM: Xid (PCI:0000:3b:00): 79, x\",\"_TRANSPORT\":\"kernel\"}"),
          bytes_of("version: 1\nmode: act\nbudget: {at_once: 2, per_hour: 12}\n"
                   "cooldown: {job: 10m, device: 10m}\nspares: [\"gpu-b:7070/cuda:7\"]\n"
                   "devices:\n  cuda:0: {uuid: GPU-8c1d7a32, pci: \"0000:3b:00.0\"}\n"
                   "rules:\n  - match: {code: \"alert:*\", severity: critical, labels: {a: b}}\n"
                   "    action: migrate\n    for: 30s\n"
                   "probes:\n  - {name: room, file: /run/t, every: 30s}\n")};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cardswap;
  const auto said = fuzz::text(data, size);
  fuzz::expect_error_or_nothing([&] { (void)parse_destination(said); });
  fuzz::expect_error_or_nothing([&] { (void)parse_size("size", said); });
  fuzz::expect_error_or_nothing([&] { (void)parse_rate("rate", said); });
  fuzz::expect_error_or_nothing([&] { (void)parse_duration("time", said); });
  fuzz::expect_error_or_nothing([&] { (void)Tokens::parse(said, "tokens").caller_of(said); });
  (void)is_utf8(as_utf8(said));
  (void)health::xid_line(said);
  for (const auto form : {health::LogForm::kmsg, health::LogForm::file}) {
    health::KernelReader reader(form, {"node7"}, "boot");
    (void)reader.read(said, 1'779'900'000'000);
    (void)reader.read("NVRM: fallen off the bus", 0);
  }
  fuzz::expect_error_or_nothing([&] { (void)health::policy_from_yaml(said, "policy"); });
  return 0;
}
