#include "runtime/c_api/c_thing.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <vector>

#include "runtime/arena_relocator.h"
#include "runtime/tracker.h"

namespace cardswap::c_api {
namespace {

/// A program whose tensor lives where Cardswap says, once it has said so.
struct Movable {
  std::vector<std::byte> own{5000, std::byte{7}};
  void* memory = own.data();
  cardswap_home* keep = nullptr;
  bool wants = true;
};

TEST(CThing, RegionsLiveInAnArenaOnceTheirProgramWants) {
  Movable program;
  cardswap_callbacks callbacks{};
  callbacks.size = sizeof(callbacks);
  callbacks.regions = [](void* self, cardswap_out* out) {
    auto* of = static_cast<Movable*>(self);
    const cardswap_region region{"w", "bytes", "", of->memory, of->own.size(), of, 0};
    cardswap_put_movable_regions(out, &region, 1, 0);
    return 0;
  };
  callbacks.relocate = [](void* self, const void* storage, void* home, uint64_t bytes,
                          cardswap_home* keep) {
    auto* of = static_cast<Movable*>(self);
    if (!of->wants || storage != of) return 1;
    std::memcpy(home, of->memory, bytes);
    of->memory = home;
    of->keep = keep;
    return 0;
  };
  Tracker tracker;
  tracker.add("program", std::make_unique<Thing>(callbacks, &program, "tensors", "tensors",
                                                 std::make_shared<Releases>()));
  ArenaRelocator relocator(tracker);
  EXPECT_EQ(relocator.relocatable_bytes(), program.own.size());

  program.wants = false;
  relocator.relocate_all();
  EXPECT_EQ(program.memory, program.own.data());
  EXPECT_EQ(relocator.state_view(true).layout.regions().size(), 1U) << "the arena's head alone";

  program.wants = true;
  relocator.relocate_all();
  ASSERT_NE(program.memory, program.own.data());
  EXPECT_EQ(std::memcmp(program.memory, program.own.data(), program.own.size()), 0);
  EXPECT_EQ(relocator.state_view(false).layout.regions().size(), 2U);
  cardswap_let_go(program.keep);
}

TEST(CThing, AForkLetsNothingGoOfWhatItsParentHas) {
  const auto memory = std::make_shared<int>(1);
  std::weak_ptr<int> held = memory;
  auto* keep = hold(memory);
  const auto child = ::fork();
  if (child == 0) {
    cardswap_let_go(keep);
    ::_exit(held.use_count() == 2 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(held.use_count(), 2);
  cardswap_let_go(keep);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace cardswap::c_api
