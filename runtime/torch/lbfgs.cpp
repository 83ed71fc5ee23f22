#include <cardswap/torch.h>

#include <deque>

#include "runtime/torch/tensor_slot.h"

namespace cardswap {
namespace {

using torch::optim::LBFGS;
using torch::optim::LBFGSOptions;
using torch::optim::LBFGSParamState;

constexpr std::size_t kHistoryMax = 1U << 20;

/// LBFGS keeps one state for all its parameters, under the first of them: flat tensors and a
/// history that grows. `al` is scratch of one step: it is written before it is read.
class TrackedLbfgs final : public TrackedState {
 public:
  explicit TrackedLbfgs(LBFGS& optimizer) : optimizer_(optimizer) {}

  void regions(std::vector<TrackedRegion>& out) override {
    auto* state = find_state();
    tensor_slot::append_count(out, "states", state == nullptr ? 0 : 1);
    if (state == nullptr) return;
    tensor_slot::append_count(out, "history", state->old_dirs().size());
    for_each_tensor(*state, [&](const std::string& name, at::Tensor& tensor) {
      tensor_slot::append(out, name, tensor);
    });
  }

  void adopt(const std::vector<std::string>& names) override {
    const auto states = tensor_slot::find_count(names, "states", 1);
    if (!states) return;
    if (*states == 0) {
      optimizer_.state().clear();
      return;
    }
    if (find_state() == nullptr) {
      optimizer_.state()[key()] = std::make_unique<LBFGSParamState>();
    }
    auto& state = *find_state();
    const auto history = tensor_slot::find_count(names, "history", kHistoryMax);
    for (auto* list : {&state.old_dirs(), &state.old_stps(), &state.ro()}) {
      list->resize(history.value_or(0));
    }
    for_each_tensor(state, [&](const std::string& name, at::Tensor& tensor) {
      tensor_slot::adopt(names, name, tensor);
    });
  }

  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    const auto& o = options();
    writer.f64(o.lr()).i64(o.max_iter()).i64(o.max_eval().value_or(-1));
    writer.f64(o.tolerance_grad()).f64(o.tolerance_change()).i64(o.history_size());
    writer.string(o.line_search_fn().value_or(""));
    auto* state = find_state();
    writer.boolean(state != nullptr);
    if (state == nullptr) return std::move(writer).take();
    writer.i64(state->func_evals()).i64(state->n_iter()).f64(state->t()).f64(state->prev_loss());
    for_each_tensor(
        *state, [&](const std::string&, at::Tensor& tensor) { tensor_slot::save(writer, tensor); });
    return std::move(writer).take();
  }

  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    auto& o = options();
    o.lr(reader.any_f64()).max_iter(reader.i64());
    const auto max_eval = reader.i64();
    o.max_eval(max_eval < 0 ? std::nullopt : std::optional(max_eval));
    o.tolerance_grad(reader.any_f64())
        .tolerance_change(reader.any_f64())
        .history_size(reader.i64());
    const auto search = reader.string();
    o.line_search_fn(search.empty() ? std::nullopt : std::optional(search));
    auto* state = find_state();
    if (reader.boolean() != (state != nullptr)) throw std::invalid_argument("one has no history");
    if (state != nullptr) {
      state->func_evals(reader.i64()).n_iter(reader.i64());
      state->t(reader.any_f64()).prev_loss(reader.any_f64());
      for_each_tensor(*state, [&](const std::string&, at::Tensor& tensor) {
        tensor_slot::load(reader, tensor);
      });
    }
    reader.finish();
  }

 private:
  template <class F>
  static void for_each_tensor(LBFGSParamState& state, F f) {
    f("d/", state.d());
    f("H_diag/", state.H_diag());
    f("prev_flat_grad/", state.prev_flat_grad());
    const auto list = [&](const char* name, std::deque<at::Tensor>& tensors) {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        f(name + std::to_string(i) + "/", tensors[i]);
      }
    };
    list("old_dirs.", state.old_dirs());
    list("old_stps.", state.old_stps());
    list("ro.", state.ro());
  }
  [[nodiscard]] void* key() const {
    return optimizer_.param_groups().at(0).params().at(0).unsafeGetTensorImpl();
  }
  LBFGSParamState* find_state() {
    const auto found = optimizer_.state().find(key());
    return found == optimizer_.state().end() ? nullptr
                                             : static_cast<LBFGSParamState*>(found->second.get());
  }
  LBFGSOptions& options() {
    return static_cast<LBFGSOptions&>(optimizer_.param_groups().at(0).options());
  }

  LBFGS& optimizer_;
};

}  // namespace

std::unique_ptr<TrackedState> tracked_lbfgs(LBFGS& optimizer) {
  return std::make_unique<TrackedLbfgs>(optimizer);
}

}  // namespace cardswap
