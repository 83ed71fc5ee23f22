/// A standby's values as they came over the line, loaded into what a program tracks.

#include "cardswap/session.h"
#include "runtime/tracker.h"
#include "runtime/value_block.h"
#include "tests/fuzz/seeds.h"

namespace {

/// What a program might track, and the tracker of it.
struct Program {
  std::uint64_t step = 41;
  std::vector<float> rates{1.5F, 2.5F};
  std::string place = "shard 7";
  cardswap::Tracker tracker;

  Program() {
    using namespace cardswap;
    tracker.add("step", Trackable<std::uint64_t>::make(step));
    tracker.add("rates", Trackable<std::vector<float>>::make(rates));
    tracker.add("place", Trackable<std::string>::make(place));
  }
};

}  // namespace

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  return {save_values(Program().tracker.entries())};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Program program;
  cardswap::fuzz::expect_error_or_nothing(
      [&] { load_values(program.tracker.entries(), cardswap::fuzz::view(data, size)); });
  return 0;
}
