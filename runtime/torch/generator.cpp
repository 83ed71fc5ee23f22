#include <cardswap/torch.h>

#include <mutex>

namespace cardswap {
namespace {

class TrackedGenerator final : public TrackedState {
 public:
  explicit TrackedGenerator(at::Generator& generator) : generator_(generator) {}
  std::vector<std::byte> save() override {
    const std::scoped_lock lock(generator_.mutex());
    const auto state = generator_.get_state();
    const auto* bytes = static_cast<const std::byte*>(state.const_data_ptr());
    return {bytes, bytes + state.nbytes()};
  }
  void load(std::span<const std::byte> bytes) override {
    const std::scoped_lock lock(generator_.mutex());
    auto state = generator_.get_state();  // as many bytes as this one has
    if (bytes.size() != state.nbytes()) {
      throw std::invalid_argument("the other side's generator is one of another kind");
    }
    std::memcpy(state.mutable_data_ptr(), bytes.data(), bytes.size());
    generator_.set_state(state);
  }
  /// Making other state may draw from it.
  [[nodiscard]] bool loads_last() const override { return true; }

 private:
  at::Generator& generator_;
};

}  // namespace

std::unique_ptr<TrackedState> tracked_generator(at::Generator& generator) {
  if (!generator.defined()) throw std::invalid_argument("a generator that is not defined");
  return std::make_unique<TrackedGenerator>(generator);
}

}  // namespace cardswap
