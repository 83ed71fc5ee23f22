#pragma once

#include <cardswap/tracking.h>
#include <torch/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cardswap {

/// The gradients of named parameters. A gradient is state if it lives from one boundary to the
/// next. A gradient that an optimizer's step has used and the program then drops is not state.
///
/// A gradient is recognised by its tensor, also after that was destroyed, and by the tensor's
/// version. A parameter whose gradient has lived from one boundary to the next belongs to the state
/// from then on, so that the layout does not change; while it has no gradient, zeros are sent and
/// the target makes none.
class Gradients final : public TrackedGradients {
 public:
  /// Lists the parameters with their names, always in the same order.
  using Parameters = std::function<std::vector<std::pair<std::string, at::Tensor>>()>;
  explicit Gradients(Parameters parameters) : parameters_(std::move(parameters)) {}

  void before_step(std::span<const void* const> tensors) override;
  void on_boundary(bool all) override;
  void keep_unused() override;
  void regions(std::vector<TrackedRegion>& out) override;
  void adopt(const std::vector<std::string>& names) override;
  [[nodiscard]] std::vector<std::byte> save() override;
  void load(std::span<const std::byte> bytes) override;
  void on_arrived() override;

 private:
  using Identity = c10::weak_intrusive_ptr<at::TensorImpl>;
  /// What is known of a parameter's gradient.
  struct Seen {
    std::optional<Identity> last;  ///< at the last boundary
    std::optional<Identity> used;  ///< by the latest step, in version `used_version`
    std::uint32_t used_version = 0;
    bool unused = false;  ///< at the last boundary no step had read it
    bool kept = false;    ///< belongs to the state
    at::Tensor adopted;   ///< on a standby: where the source's gradient is received
  };
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> parameters();
  void append_zeros(std::vector<TrackedRegion>& out, std::string name, const at::Tensor& parameter,
                    const at::Tensor& made);

  const Parameters parameters_;
  std::vector<Seen> seen_;  // by parameter
  at::Tensor zeros_;        // sent for gradients that are absent
};

}  // namespace cardswap
