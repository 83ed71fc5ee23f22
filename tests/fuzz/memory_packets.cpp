/// Packets between a trainer and a holder of its memory: what decodes must encode to the same
/// bytes.

#include <cstdlib>

#include "runtime/memory_messages.h"
#include "tests/fuzz/seeds.h"

namespace cardswap::fuzz {

std::vector<std::vector<std::byte>> seeds() {
  using namespace memory_transfer;
  std::vector<std::vector<std::byte>> all;
  for (const Message& message : std::vector<Message>{
           Keep{{{"cpu", 0x100000, {4096}}}}, Kept{}, Fetch{"m-1", "token"},
           Memory{
               {{"cpu", 0x100000, {8192}}, {"cuda:0", 1 << 30, {1, 2}}}, digest_of({}), 1, 2, 3, 4},
           Done{}, Files{}, Refused{Code::unauthorized, "no", "why"}}) {
    all.push_back(encode(message));
  }
  return all;
}

}  // namespace cardswap::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cardswap;
  const auto bytes = fuzz::view(data, size);
  fuzz::expect_error_or_nothing([&] {
    const auto again = memory_transfer::encode(memory_transfer::decode(bytes));
    if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  });
  return 0;
}
