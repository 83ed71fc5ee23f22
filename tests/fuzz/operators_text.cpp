/// What people and files say: destinations, sizes, times, token files, the tokens of callers.

#include "agent/api/tokens.h"
#include "agent/handover/migration.h"
#include "agent/units.h"
#include "agent/utf8.h"
#include "tests/fuzz/seeds.h"

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  const std::string digest(64, 'a');
  return {bytes_of("viewer " + digest + " alice # laptop\noperator " + digest + "\n"),
          bytes_of("[fd00::1]:7070/cpu:0"),
          bytes_of("gpu-b/cpu:0"),
          bytes_of("1.5GiB"),
          bytes_of("200MiB/s"),
          bytes_of("300ms"),
          bytes_of("Bearer token")};
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
  return 0;
}
