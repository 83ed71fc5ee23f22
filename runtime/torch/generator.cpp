#include <cardswap/torch.h>

#include <cstring>
#include <mutex>

#include "runtime/torch/generator_state.h"

namespace cardswap {
namespace {

class TrackedGenerator final : public TrackedState {
 public:
  explicit TrackedGenerator(at::Generator& generator) : generator_(generator) {}
  std::vector<std::byte> save() override {
    std::vector<std::byte> bytes;
    append_state(generator_, bytes);
    return bytes;
  }
  void load(std::span<const std::byte> bytes) override {
    const auto rest = take_state(generator_, bytes);
    if (!rest || !rest->empty()) {
      throw std::invalid_argument("the other side's generator is one of another kind");
    }
  }
  /// Making other state may draw from it.
  [[nodiscard]] bool loads_last() const override { return true; }

 private:
  at::Generator& generator_;
};

}  // namespace

void append_state(at::Generator& generator, std::vector<std::byte>& bytes) {
  const std::scoped_lock lock(generator.mutex());
  const auto state = generator.get_state();
  const auto* first = static_cast<const std::byte*>(state.const_data_ptr());
  bytes.insert(bytes.end(), first, first + state.nbytes());
}

std::optional<std::span<const std::byte>> take_state(at::Generator& generator,
                                                     std::span<const std::byte> bytes) {
  const std::scoped_lock lock(generator.mutex());
  auto state = generator.get_state();  // as many bytes as this one has
  if (bytes.size() < state.nbytes()) return std::nullopt;
  std::memcpy(state.mutable_data_ptr(), bytes.data(), state.nbytes());
  generator.set_state(state);
  return bytes.subspan(state.nbytes());
}

std::unique_ptr<TrackedState> tracked_generator(at::Generator& generator) {
  if (!generator.defined()) throw std::invalid_argument("a generator that is not defined");
  return std::make_unique<TrackedGenerator>(generator);
}

}  // namespace cardswap
