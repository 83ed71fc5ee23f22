#include <ATen/CPUGeneratorImpl.h>
#include <cardswap/torch.h>

#include "runtime/torch/accelerator.h"
#include "runtime/torch/generator_state.h"

namespace cardswap {
namespace {

/// The default generators, whole: seed, position and the cached second normal of the cpu's, and in
/// a program on a GPU that one's, behind it.
class TrackedRng final : public TrackedState {
 public:
  std::vector<std::byte> save() override {
    std::vector<std::byte> all;
    for (auto& generator : generators()) append_state(generator, all);
    return all;
  }
  void load(std::span<const std::byte> bytes) override {
    for (auto& generator : generators()) {
      const auto rest = take_state(generator, bytes);
      if (!rest) {
        throw std::invalid_argument("the other side's random generators are not those of this one");
      }
      bytes = *rest;
    }
    if (!bytes.empty()) {
      throw std::invalid_argument("the other side has random generators that this one has not");
    }
  }
  [[nodiscard]] bool loads_last() const override { return true; }

 private:
  static std::vector<at::Generator> generators() {
    std::vector<at::Generator> all{at::detail::getDefaultCPUGenerator()};
    for (auto& other : accelerator::generators()) all.push_back(std::move(other));
    return all;
  }
};

}  // namespace

void track_rng(Session& session) { session.track_state("rng", std::make_unique<TrackedRng>()); }

}  // namespace cardswap
