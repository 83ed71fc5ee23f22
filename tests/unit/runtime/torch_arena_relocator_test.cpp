/// Method: two equal networks train on the same data; one is re-homed between its steps.

#include <cardswap/torch.h>
#include <gmock/gmock.h>

#include "runtime/arena_relocator.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;

/// Two names for one storage, a parameter that is stored transposed, a view kept outside, buffers.
struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(7);
    one = register_parameter("one", torch::randn({32, 16}).t());
    table = register_parameter("table", torch::randn({10, 32}));
    tied = register_buffer("tied", table.detach());
    norm = register_module("norm", torch::nn::BatchNorm1d(32));
    row = table.detach().select(0, 3);
  }
  torch::Tensor forward(const torch::Tensor& input) {
    return torch::matmul(norm->forward(torch::matmul(input, one)) * tied.mean(0), table.t());
  }
  torch::Tensor one, table, tied, row;
  torch::nn::BatchNorm1d norm = nullptr;
};

struct Training {
  Training() : optimizer(net.parameters(), torch::optim::AdamWOptions(1e-2)) {
    tracker.add("net", tracked_module(net));
    tracker.add("optimizer", tracked_optimizer(optimizer));
  }
  void step(int number) {
    torch::manual_seed(static_cast<std::uint64_t>(number));
    const auto input = torch::randn({8, 16});
    const auto loss = net.forward(input).pow(2).mean();
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
  Net net;
  torch::optim::AdamW optimizer;
  Tracker tracker;
};

bool is_home(ArenaRelocator& relocator, const at::Tensor& tensor) {
  return relocator.arena().contains(
      {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
}

TEST(TorchHoming, KeepsEveryAliasAndEveryBit) {
  Training moved;
  Training stays;
  ArenaRelocator relocator(moved.tracker);
  for (int i = 0; i < 20; ++i) {
    // One storage at a time, so that every step but the last finds some at home and some not.
    if (i >= 2) (void)relocator.relocate_some(milliseconds(0));
    moved.step(i);
    stays.step(i);
    ASSERT_EQ(moved.tracker.digest(), stays.tracker.digest()) << "after step " << i;
  }
  EXPECT_TRUE(relocator.relocate_some(milliseconds(1000)));
  EXPECT_TRUE(is_home(relocator, moved.net.one));
  EXPECT_TRUE(is_home(relocator, moved.net.row));
  EXPECT_FALSE(moved.net.one.is_contiguous());
  EXPECT_EQ(moved.net.tied.const_data_ptr(), moved.net.table.const_data_ptr());
  EXPECT_TRUE(torch::equal(moved.net.row, moved.net.table[3]));
  EXPECT_EQ(relocator.state_view(false).layout.total_bytes(),
            relocator.relocatable_bytes() + relocator.arena().head().size());
}

TEST(TorchHoming, BringsGradientsForAProcessThatStands) {
  Training training;
  training.step(0);
  ArenaRelocator relocator(training.tracker);
  const auto gradient = training.net.one.grad().clone();
  relocator.relocate_all();
  EXPECT_TRUE(is_home(relocator, training.net.one.grad()));
  EXPECT_TRUE(torch::equal(training.net.one.grad(), gradient));
  EXPECT_GT(relocator.state_view(true).layout.total_bytes(),
            relocator.state_view(false).layout.total_bytes());
  training.step(1);  // drops the gradients and gives their place back
  EXPECT_FALSE(is_home(relocator, training.net.one.grad()));
}

TEST(TorchHoming, GoesOnAfterItsFileWasElsewhere) {
  Training moved;
  Training stays;
  ArenaRelocator relocator(moved.tracker);
  for (int i = 0; i < 10; ++i) {
    moved.step(i);
    stays.step(i);
    relocator.relocate_all();
    const auto digest = relocator.digest();
    auto& arena = relocator.arena();
    auto elsewhere = arena.pieces();
    arena.unbind();
    arena.bind(std::move(elsewhere), arena.base());
    ASSERT_EQ(relocator.digest(), digest);
    ASSERT_EQ(moved.tracker.digest(), stays.tracker.digest()) << "after step " << i;
  }
}

TEST(TorchHoming, LeavesWhatBelongsToOthers) {
  std::vector<float> theirs(16, 1);
  auto borrowed = torch::from_blob(theirs.data(), {16});
  torch::nn::Module module;
  module.register_buffer("borrowed", borrowed);
  module.register_buffer("empty", torch::empty({0}));
  module.register_buffer("own", torch::ones({16}));
  Tracker tracker;
  tracker.add("module", tracked_module(module));
  ArenaRelocator relocator(tracker);
  EXPECT_EQ(relocator.relocatable_bytes(), 64U);
  relocator.relocate_all();
  EXPECT_EQ(borrowed.const_data_ptr(), theirs.data());
  EXPECT_TRUE(is_home(relocator, module.named_buffers()["own"]));
}

TEST(TorchHoming, KeepsTheArenaForATensorThatOutlivesEverything) {
  torch::Tensor tensor = torch::ones({1000});
  {
    torch::nn::Module module;
    module.register_buffer("kept", tensor);
    Tracker tracker;
    tracker.add("module", tracked_module(module));
    ArenaRelocator relocator(tracker);
    relocator.relocate_all();
  }
  tensor.add_(1);
  EXPECT_EQ(tensor.sum().item<float>(), 2000);
  tensor.resize_({5000});  // LibTorch makes it memory of its own again
  EXPECT_EQ(tensor[999].item<float>(), 2);
}

}  // namespace
}  // namespace cardswap
