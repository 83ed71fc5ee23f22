#include "runtime/torch/gradient_hooks.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <exception>

#include "migrator/base/mutex.h"

namespace cardswap {
namespace {

namespace autograd = torch::autograd;

/// Smaller gradients cost more messages than they save.
constexpr std::size_t kBytesMin = 4096;

/// Whether the optimizer would read its bytes as they lie there.
bool can_go_early(const at::Tensor& gradient, const at::Tensor& parameter) {
  return gradient.defined() && gradient.layout() == at::kStrided && gradient.device().is_cpu() &&
         !gradient.requires_grad() && gradient.is_contiguous() &&
         gradient.scalar_type() == parameter.scalar_type() &&
         gradient.nbytes() == parameter.nbytes() && gradient.nbytes() >= kBytesMin;
}

TrackedGradient copy_of(std::uint32_t parameter, const at::Tensor& gradient) {
  const torch::NoGradGuard no_grad;
  auto copy = std::make_shared<at::Tensor>(gradient.detach().clone());
  return {parameter,
          {static_cast<const std::byte*>(copy->const_data_ptr()), copy->nbytes()},
          copy,
          nullptr};
}

}  // namespace

/// The state that the hooks share: counts for each parameter.
struct GradientHooks::Heard {
  /// The number of accumulations of a parameter's gradient.
  struct Count {
    std::uint32_t so_far = 0;  ///< since the optimizer stepped
    std::uint32_t in_last = 0;
  };
  Mutex mutex;
  std::shared_ptr<const Sink> sink CARDSWAP_GUARDED_BY(mutex);
  std::vector<Count> counts CARDSWAP_GUARDED_BY(mutex);

  void on_accumulated(std::uint32_t index, const at::Tensor& parameter) {
    std::shared_ptr<const Sink> to;
    {
      const MutexLock lock(mutex);
      auto& count = counts[index];
      if (++count.so_far == count.in_last) to = sink;
    }
    if (!to) return;
    const auto& gradient = parameter.grad();
    if (!can_go_early(gradient, parameter)) return;
    (*to)(index, gradient.nbytes(), [&] { return copy_of(index, gradient); });
  }
};

/// The hook behind one parameter's accumulation.
class GradientHooks::Tap final : public autograd::FunctionPostHook {
 public:
  Tap(std::shared_ptr<Heard> heard, std::uint32_t index, at::Tensor parameter)
      : heard_(std::move(heard)), index_(index), parameter_(std::move(parameter)) {}

  autograd::variable_list operator()(const autograd::variable_list& outputs,
                                     const autograd::variable_list& /*inputs*/) override {
    try {
      heard_->on_accumulated(index_, parameter_);
    } catch (const std::exception&) {
      // No memory for a copy: the gradient goes with its step.
    }
    return outputs;
  }

 private:
  const std::shared_ptr<Heard> heard_;
  const std::uint32_t index_;
  const at::Tensor parameter_;  // the node holds it too; it does not hold the node
};

void GradientHooks::open(const std::vector<at::Tensor>& parameters, Sink sink) {
  close();
  heard_ = std::make_shared<Heard>();
  {
    const MutexLock lock(heard_->mutex);
    heard_->sink = std::make_shared<const Sink>(std::move(sink));
    heard_->counts.resize(parameters.size());
  }
  for (std::uint32_t i = 0; i < parameters.size(); ++i) {
    const auto& parameter = parameters[i];
    if (!parameter.requires_grad() || !parameter.is_leaf()) continue;
    // A node lives as long as it is held: else each backward pass would make another one.
    auto node = autograd::impl::grad_accumulator(parameter);
    const auto key = node->add_post_hook(std::make_unique<Tap>(heard_, i, parameter));
    hooks_.emplace_back(std::move(node), key);
  }
}

void GradientHooks::close() {
  if (!heard_) return;
  {
    const MutexLock lock(heard_->mutex);
    heard_->sink.reset();
  }
  for (const auto& [node, key] : hooks_) node->del_post_hook(key);
  hooks_.clear();
  heard_.reset();
}

void GradientHooks::before_step() {
  if (!heard_) return;
  const MutexLock lock(heard_->mutex);
  for (auto& count : heard_->counts) count = {0, count.so_far};
}

}  // namespace cardswap
