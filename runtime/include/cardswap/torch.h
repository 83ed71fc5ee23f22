#pragma once

#include <cardswap/session.h>
#include <torch/torch.h>

/// LibTorch's modules, optimizers and samplers as tracked things. Include this header and call
/// `session.track("model", *model)` and `session.track("optimizer", optimizer)`.
///
/// The functions here keep a reference: what they are given must outlive the session.
namespace cardswap {

/// Parameters and buffers. Each storage is sent once, so tied weights and views work as they are.
/// Both sides must have the same dtype, shape, strides and device for each tensor, and each module
/// must print the same description (pretty_print), such as a dropout's probability. Also carried:
/// whether a parameter requires gradients, whether a module trains or evaluates, and gradients that
/// live from step to step. A migration fails for a tensor that is not dense.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_module(torch::nn::Module& module);

/// The state tensors, step counters and options of SGD, Adam, AdamW, RMSprop or Adagrad. Throws
/// std::invalid_argument for any other type, also for a class derived from one of these, because it
/// may have state of its own: specialise Trackable for it, or track its parts one by one and call
/// Session::track_parts().
[[nodiscard]] std::unique_ptr<TrackedState> tracked_optimizer(torch::optim::Optimizer& optimizer);

/// Tracks LibTorch's default generators as "rng": the CPU's, and the current GPU's if the program
/// uses a GPU. Other generators are tracked one by one (torch_values.h). Throws Error{bad_request}
/// if "rng" is tracked already.
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

/// A sampler's position, saved and loaded by the sampler itself.
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
