#pragma once

#include <cardswap/session.h>
#include <torch/torch.h>

/// LibTorch's modules, optimizers and samplers as tracked things: include this, then
/// `session.track("model", *model)` and `session.track("optimizer", optimizer)`.
namespace cardswap {

/// Parameters and buffers, each storage once: tied weights and views need no care. The dtype,
/// shape, strides and place of a tensor are part of the layout that both sides must share, and so
/// is what each module prints of itself, such as a dropout's share. Whether a parameter requires
/// gradients, and whether a module trains or evaluates, is carried; so are gradients that outlive a
/// step.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_module(torch::nn::Module& module);

/// State tensors, step counters and each group's options of SGD, Adam, AdamW, RMSprop or Adagrad.
/// Throws std::invalid_argument for another optimizer, a class derived from one of these included,
/// which may have state of its own: give it a Trackable, or track its parts by hand and say so with
/// Session::track_parts.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_optimizer(torch::optim::Optimizer& optimizer);

/// Tracks LibTorch's default generators, the CPU's and the current GPU's, as "rng". Others are
/// tracked one by one: torch_values.h.
void track_rng(Session& session);

/// The parameters of all groups.
[[nodiscard]] std::vector<SteppedParameter> stepped_parameters(
    const torch::optim::Optimizer& optimizer);

template <std::derived_from<torch::optim::Optimizer> T>
struct Steppable<T> {
  static std::vector<SteppedParameter> parameters(const T& optimizer) {
    return stepped_parameters(optimizer);
  }
};

/// A sampler's position, through its own save and load.
template <class Sampler>
class TrackedSampler final : public TrackedState {
 public:
  explicit TrackedSampler(Sampler& sampler) : sampler_(sampler) {}
  std::vector<std::byte> save() override {
    torch::serialize::OutputArchive archive;
    sampler_.save(archive);
    std::vector<std::byte> bytes;
    archive.save_to([&](const void* data, std::size_t size) {
      const auto* first = static_cast<const std::byte*>(data);
      bytes.insert(bytes.end(), first, first + size);
      return size;
    });
    return bytes;
  }
  void load(std::span<const std::byte> bytes) override {
    torch::serialize::InputArchive archive;
    archive.load_from(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    sampler_.load(archive);
  }

 private:
  Sampler& sampler_;
};

template <std::derived_from<torch::nn::Module> T>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& module) { return tracked_module(module); }
};
template <class T>
requires std::derived_from<T, torch::nn::ModuleHolder<typename T::ContainedType>>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& holder) { return tracked_module(*holder); }
};
template <std::derived_from<torch::optim::Optimizer> T>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& optimizer) { return tracked_optimizer(optimizer); }
};
template <class T>
requires requires(T& sampler, torch::serialize::OutputArchive& out,
                  torch::serialize::InputArchive& in) {
  sampler.save(out);
  sampler.load(in);
  sampler.reset();
} &&(!std::derived_from<T, torch::nn::Module>)struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& sampler) {
    return std::make_unique<TrackedSampler<T>>(sampler);
  }
};

}  // namespace cardswap

#include <cardswap/torch_schedulers.h>  // IWYU pragma: export
#include <cardswap/torch_values.h>      // IWYU pragma: export
