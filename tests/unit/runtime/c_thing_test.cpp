#include "runtime/c_api/c_thing.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "runtime/arena_relocator.h"
#include "runtime/replayable_optimizers.h"
#include "runtime/tracker.h"

namespace cardswap::c_api {
namespace {

/// A program whose tensor lives where Cardswap says, once it has said so.
struct Movable {
  std::vector<std::byte> own{5000, std::byte{7}};
  void* memory = own.data();
  cardswap_keep* keep = nullptr;
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
                          cardswap_keep* keep) {
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
  auto* keep = wrap_keep(memory);
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

/// A program's optimizer, which counts how often it is asked what it rewrites.
struct Stepped {
  int asked = 0;
  int captured = 0;
  int replayed = 0;
};

cardswap_callbacks callbacks_of_stepped() {
  cardswap_callbacks callbacks{};
  callbacks.size = sizeof(callbacks);
  callbacks.regions = [](void*, cardswap_out*) { return 0; };
  callbacks.rewritten = [](void* self, cardswap_out* out) {
    ++static_cast<Stepped*>(self)->asked;
    const cardswap_rewritten pair{0, self};
    cardswap_put_rewritten(out, &pair, 1, 3);
    return 0;
  };
  callbacks.capture = [](void* self, cardswap_out*) {
    ++static_cast<Stepped*>(self)->captured;
    return 0;
  };
  callbacks.replay = [](void* self, const void*, uint64_t, const cardswap_gradient*, uint64_t) {
    ++static_cast<Stepped*>(self)->replayed;
    return 0;
  };
  return callbacks;
}

TEST(CThing, AnOptimizerIsNotAskedAtEachStepWhatItRewrites) {
  std::array<Stepped, 2> programs;
  Tracker tracker;
  std::array<Thing*, 2> things{};
  for (std::size_t i = 0; i < programs.size(); ++i) {
    auto thing = std::make_unique<Thing>(callbacks_of_stepped(), &programs[i], "optimizer", "SGD",
                                         std::make_shared<Releases>());
    things[i] = thing.get();
    tracker.add(std::to_string(i), std::move(thing));
  }
  (void)tracker.shards();
  ReceivedUpdate received;
  received.optimizer = 1;
  received.gradients.emplace_back().parameter = static_cast<ParameterId>(5);
  for (int step = 0; step < 10; ++step) {
    EXPECT_EQ(tracker.optimizers().capture(things[1])->optimizer, 1U);
    tracker.optimizers().replay(received);
  }
  EXPECT_EQ(programs[1].captured, 10);
  EXPECT_EQ(programs[1].replayed, 10);
  EXPECT_EQ(programs[0].asked, 1);
  EXPECT_EQ(programs[1].asked, 1);
  received.gradients[0].parameter = static_cast<ParameterId>(6);
  EXPECT_THROW(tracker.optimizers().replay(received), Error) << "each has three";
}

}  // namespace
}  // namespace cardswap::c_api
