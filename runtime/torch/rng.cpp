#include <ATen/CPUGeneratorImpl.h>
#include <cardswap/torch.h>

namespace cardswap {
namespace {

/// The default CPU generator, whole: seed, position and the cached second normal.
class TrackedRng final : public TrackedState {
 public:
  std::vector<std::byte> save() override {
    auto generator = at::detail::getDefaultCPUGenerator();
    const std::scoped_lock lock(generator.mutex());
    const auto state = generator.get_state();
    const auto* bytes = static_cast<const std::byte*>(state.const_data_ptr());
    return {bytes, bytes + state.nbytes()};
  }
  void load(std::span<const std::byte> bytes) override {
    auto state = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
    std::memcpy(state.mutable_data_ptr(), bytes.data(), bytes.size());
    auto generator = at::detail::getDefaultCPUGenerator();
    const std::scoped_lock lock(generator.mutex());
    generator.set_state(state);
  }
  [[nodiscard]] bool loads_last() const override { return true; }
};

}  // namespace

void Session::track_rng() { track_state("rng", std::make_unique<TrackedRng>()); }

}  // namespace cardswap
