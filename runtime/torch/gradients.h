#pragma once

#include <cardswap/tracking.h>
#include <torch/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cardswap {

/// The gradients of named parameters. They are state where they live from one boundary to the next;
/// what an optimizer's step has used, and the program then drops, is none.
///
/// A gradient is told by its tensor, which is kept known when it is gone, and by its version. One
/// that survives from boundary to boundary belongs to the state for good, zero or not, so that the
/// layout stands still; where it is absent, zeros are sent and the target makes none.
class Gradients final : public TrackedGradients {
 public:
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
    std::optional<Identity> used;  ///< by the latest step, in this version
    std::uint32_t used_version = 0;
    bool unused = false;  ///< at the last boundary: no step has read it
    bool kept = false;    ///< belongs to the state
    at::Tensor adopted;   ///< of a standby: where it arrives
  };
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> parameters();
  void append_zeros(std::vector<TrackedRegion>& out, std::string name, const at::Tensor& parameter,
                    const at::Tensor& made);

  const Parameters parameters_;
  std::vector<Seen> seen_;  // by parameter
  at::Tensor zeros_;        // in place of gradients that are absent
};

}  // namespace cardswap
