#include <c10/util/Type.h>
#include <cardswap/torch.h>

#include <map>
#include <optional>
#include <set>
#include <typeinfo>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "runtime/torch/accelerator.h"
#include "runtime/torch/gradient_hooks.h"
#include "runtime/torch/optimizer_fields.h"
#include "runtime/torch/tensor.h"

namespace cardswap {
namespace {

using wire::WireReader;
using wire::WireWriter;
namespace optim = torch::optim;

using optimizer_fields::counters;
using optimizer_fields::options;
using optimizer_fields::tensors;

struct Put {
  WireWriter& writer;
  void operator()(double value) const { writer.f64(value); }
  void operator()(bool value) const { writer.boolean(value); }
  void operator()(std::int64_t value) const { writer.i64(value); }
};
struct Take {
  WireReader& reader;
  void operator()(double& value) const { value = reader.any_f64(); }
  void operator()(bool& value) const { value = reader.boolean(); }
  void operator()(std::int64_t& value) const { value = reader.i64(); }
};

/// Regions are named <tensor>.<group>.<index in the group>, since parameters have no names here.
template <class Options, class State>
class TrackedOptimizer final : public TrackedState, public ReplayableOptimizer {
 public:
  explicit TrackedOptimizer(optim::Optimizer& optimizer) : optimizer_(optimizer) {}

  void regions(std::vector<TrackedRegion>& out) override {
    for_each_parameter([&](const std::string& place, at::Tensor& parameter) {
      if (auto* state = state_of(parameter)) {
        tensors(*state, [&](const char* name, at::Tensor& tensor) {
          append_storage(out, std::string(name) + place, tensor);
        });
      }
    });
  }

  /// State appears with a parameter's first gradient, which the warm-up step may not have had, or
  /// may have had where the source had none.
  void adopt(const std::vector<std::string>& names) override {
    const std::set<std::string> wanted(names.begin(), names.end());
    refuse_other_groups(names);
    const torch::NoGradGuard no_grad;
    for_each_parameter([&](const std::string& place, at::Tensor& parameter) {
      State probe;
      bool any = false;
      tensors(probe, [&](const char* name, at::Tensor&) {
        any = any || wanted.contains(std::string(name) + place);
      });
      auto& all = optimizer_.state();
      const auto key = parameter.unsafeGetTensorImpl();
      if (!any) {
        if (has_tensors(parameter)) all.erase(key);
        return;
      }
      if (state_of(parameter) == nullptr) all[key] = std::make_unique<State>();
      tensors(*state_of(parameter), [&](const char* name, at::Tensor& tensor) {
        if (!wanted.contains(std::string(name) + place)) {
          tensor = at::Tensor();
        } else if (!tensor.defined()) {
          tensor = at::zeros_like(parameter);
        }
      });
    });
  }

  std::vector<std::byte> save() override {
    WireWriter writer;
    const Put put{writer};
    writer.u32(static_cast<std::uint32_t>(optimizer_.param_groups().size()));
    for (auto& group : optimizer_.param_groups()) {
      options(static_cast<Options&>(group.options()), put);
    }
    for_each_parameter([&](const std::string&, at::Tensor& parameter) {
      auto* state = state_of(parameter);
      writer.boolean(state != nullptr);
      if (state != nullptr) counters(*state, [&](std::int64_t value) { put(value); });
    });
    return std::move(writer).take();
  }

  void load(std::span<const std::byte> bytes) override {
    WireReader reader(bytes);
    const Take take{reader};
    if (reader.u32() != optimizer_.param_groups().size()) {
      throw std::invalid_argument("the optimizers have a different number of groups");
    }
    for (auto& group : optimizer_.param_groups()) {
      options(static_cast<Options&>(group.options()), take);
    }
    for_each_parameter([&](const std::string&, at::Tensor& parameter) {
      auto& all = optimizer_.state();
      const auto key = parameter.unsafeGetTensorImpl();
      if (!reader.boolean()) {
        all.erase(key);
        return;
      }
      if (state_of(parameter) == nullptr) all[key] = std::make_unique<State>();
      counters(*state_of(parameter), [&](std::int64_t& value) { take(value); });
    });
    reader.finish();
  }

  ReplayableOptimizer* replayable() override { return this; }
  [[nodiscard]] bool is(const void* optimizer) const override { return optimizer == &optimizer_; }

  std::vector<std::vector<const void*>> rewritten() override {
    std::vector<std::vector<const void*>> result;
    for_each_parameter([&](const std::string&, at::Tensor& parameter) {
      auto& storages = result.emplace_back();
      auto* state = state_of(parameter);
      if (state == nullptr && !(is_stateless() && parameter.requires_grad())) return;
      storages.push_back(parameter.storage().unsafeGetStorageImpl());
      if (state == nullptr) return;
      tensors(*state, [&](const char*, at::Tensor& tensor) {
        if (tensor.defined()) storages.push_back(tensor.storage().unsafeGetStorageImpl());
      });
    });
    return result;
  }

  std::size_t parameter_count() override {
    std::size_t count = 0;
    for (const auto& group : optimizer_.param_groups()) count += group.params().size();
    return count;
  }

  TrackedUpdate capture() override {
    const torch::NoGradGuard no_grad;
    taps_.before_step();
    TrackedUpdate update;
    update.options = save();
    std::uint32_t index = 0;
    for_each_parameter([&](const std::string&, at::Tensor& parameter) {
      const auto number = index++;
      const auto& gradient = parameter.grad();
      // What is left out here is found different by the audit and goes by digests.
      if (!gradient.defined() || gradient.layout() != at::kStrided) return;
      auto held = gradient.contiguous();
      // One that is written to again, not made anew, would not wait for the line.
      if (!is_made_anew(number) && held.is_same(gradient)) held = gradient.clone();
      update.gradients.push_back(
          {number,
           {static_cast<const std::byte*>(held.const_data_ptr()), held.nbytes()},
           std::make_shared<at::Tensor>(held),
           accelerator::device_of(held)});
    });
    return update;
  }

  void give_early(GradientSink sink) override {
    if (!sink) return taps_.close();
    std::vector<at::Tensor> parameters;
    for_each_parameter(
        [&](const std::string&, at::Tensor& parameter) { parameters.push_back(parameter); });
    taps_.open(parameters, std::move(sink));
  }

  void before_step() override {
    std::uint32_t index = 0;
    for_each_parameter([&](const std::string&, at::Tensor& parameter) {
      const auto number = index++;
      if (known_.size() <= number) known_.resize(number + 1);
      auto& known = known_[number];
      const auto& gradient = parameter.grad();
      if (!gradient.defined()) return;
      auto* now = gradient.unsafeGetTensorImpl();
      known.is_new = known.gradient && known.gradient->_unsafe_get_target() != now;
      if (known.is_new || !known.gradient) known.gradient = Identity(gradient.getIntrusivePtr());
    });
  }

  void replay(const TrackedUpdate& update) override {
    load(update.options);
    std::vector<at::Tensor> parameters;
    for_each_parameter([&](const std::string&, at::Tensor& parameter) {
      parameter.mutable_grad() = at::Tensor();  // the values say which there are when it arrives
      parameters.push_back(parameter);
    });
    for (const auto& gradient : update.gradients) {
      auto& parameter = parameters.at(gradient.parameter);
      if (gradient.memory.size() != parameter.nbytes()) {
        throw std::invalid_argument("a gradient of another size than its parameter");
      }
      auto* bytes = const_cast<std::byte*>(gradient.memory.data());  // NOLINT: from_blob's wish
      parameter.mutable_grad() = at::from_blob(
          bytes, parameter.sizes(), [keep = gradient.keep_alive](void*) {},
          parameter.options().requires_grad(false));
    }
    optimizer_.step();
    for (auto& parameter : parameters) {
      parameter.mutable_grad() = at::Tensor();
      accelerator::finish_work(parameter);
    }
  }

  void look(std::vector<TrackedObstacle>& obstacles) override {
    const auto groups = sizes();
    if (groups_.empty()) groups_ = groups;
    if (groups != groups_) {
      obstacles.push_back(
          {"it has " + told(groups) + ", and had " + told(groups_) +
               " at its first boundary: a standby begins with those",
           "add groups before the first boundary, with parameters that require no gradient until "
           "it is their turn; or move the process itself, with --arrive criu"});
    }
  }
  [[nodiscard]] std::string kind() const override { return "optimizer"; }

 private:
  using Sizes = std::vector<std::size_t>;
  Sizes sizes() {
    Sizes result;
    for (auto& group : optimizer_.param_groups()) result.push_back(group.params().size());
    return result;
  }
  static std::string told(const Sizes& groups) {
    std::string text = std::to_string(groups.size()) + " parameter groups (";
    for (std::size_t i = 0; i < groups.size(); ++i) {
      text += (i == 0 ? "" : ", ") + std::to_string(groups[i]);
    }
    return text + " parameters)";
  }
  /// By the names that regions() gives: state of a group, or of a parameter, that is not here.
  void refuse_other_groups(const std::vector<std::string>& names) {
    const auto ours = sizes();
    for (const auto& name : names) {
      const auto last = name.rfind('.');
      const auto first = last == std::string::npos || last == 0 ? last : name.rfind('.', last - 1);
      if (first == std::string::npos) continue;
      const auto group = std::strtoul(name.c_str() + first + 1, nullptr, 10);
      const auto index = std::strtoul(name.c_str() + last + 1, nullptr, 10);
      if (group < ours.size() && index < ours[group]) continue;
      throw std::invalid_argument(
          "the source's optimizer has parameter " + std::to_string(index) + " of group " +
          std::to_string(group) + ", this side has " + told(ours) +
          ": make the same groups on both sides, before the first boundary");
    }
  }
  /// Known to be another one than in the last step that was noticed.
  [[nodiscard]] bool is_made_anew(std::uint32_t number) const {
    return number < known_.size() && known_[number].is_new;
  }

  template <class F>
  void for_each_parameter(F f) {
    for (std::size_t group = 0; group < optimizer_.param_groups().size(); ++group) {
      auto& parameters = optimizer_.param_groups()[group].params();
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        f("." + std::to_string(group) + "." + std::to_string(i), parameters[i]);
      }
    }
  }
  /// Others make their state in a parameter's first step: no state, no step.
  bool is_stateless() {
    if constexpr (std::is_same_v<Options, optim::SGDOptions>) {
      return static_cast<Options&>(optimizer_.defaults()).momentum() == 0;
    }
    return false;
  }
  State* state_of(const at::Tensor& parameter) {
    const auto found = optimizer_.state().find(parameter.unsafeGetTensorImpl());
    return found == optimizer_.state().end() ? nullptr : static_cast<State*>(found->second.get());
  }
  bool has_tensors(const at::Tensor& parameter) {
    auto* state = state_of(parameter);
    if (state == nullptr) return false;
    bool any = false;
    tensors(*state, [&](const char*, at::Tensor& tensor) { any = any || tensor.defined(); });
    return any;
  }

  optim::Optimizer& optimizer_;
  GradientHooks taps_;
  Sizes groups_;                                             // as they were first seen
  using Identity = c10::weak_intrusive_ptr<at::TensorImpl>;  // known when it is gone, too
  struct Known {
    std::optional<Identity> gradient;
    bool is_new = false;
  };
  std::vector<Known> known_;  // by parameter: of the latest step that was noticed
};

}  // namespace

std::vector<SteppedParameter> stepped_parameters(const optim::Optimizer& optimizer) {
  std::vector<SteppedParameter> all;
  std::uint32_t group = 0;
  for (const auto& one : optimizer.param_groups()) {
    std::uint32_t index = 0;
    for (const auto& parameter : one.params()) {
      if (parameter.defined() && parameter.has_storage()) {
        all.push_back({group, index, parameter.unsafeGetTensorImpl(),
                       parameter.storage().unsafeGetStorageImpl()});
      }
      ++index;
    }
    ++group;
  }
  return all;
}

std::unique_ptr<TrackedState> tracked_optimizer(optim::Optimizer& optimizer) {
  // Exactly these: a class that is derived from one may have state of its own.
  const auto& type = typeid(optimizer);
  if (type == typeid(optim::SGD)) {
    return std::make_unique<TrackedOptimizer<optim::SGDOptions, optim::SGDParamState>>(optimizer);
  }
  if (type == typeid(optim::AdamW)) {
    return std::make_unique<TrackedOptimizer<optim::AdamWOptions, optim::AdamWParamState>>(
        optimizer);
  }
  if (type == typeid(optim::Adam)) {
    return std::make_unique<TrackedOptimizer<optim::AdamOptions, optim::AdamParamState>>(optimizer);
  }
  if (type == typeid(optim::RMSprop)) {
    return std::make_unique<TrackedOptimizer<optim::RMSpropOptions, optim::RMSpropParamState>>(
        optimizer);
  }
  if (type == typeid(optim::Adagrad)) {
    return std::make_unique<TrackedOptimizer<optim::AdagradOptions, optim::AdagradParamState>>(
        optimizer);
  }
  throw std::invalid_argument(
      "what an optimizer of type " + c10::demangle(type.name()) +
      " keeps is not known (SGD, Adam, AdamW, RMSprop and Adagrad are, classes derived from them "
      "are not): give it a cardswap::Trackable, or track its parts and say so with "
      "session.track_parts(optimizer, {names})");
}

}  // namespace cardswap
