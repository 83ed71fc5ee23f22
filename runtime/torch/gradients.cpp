#include "runtime/torch/gradients.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "runtime/torch/tensor.h"

namespace cardswap {
namespace {

constexpr const char* kPrefix = "gradient of ";

bool is(const std::optional<c10::weak_intrusive_ptr<at::TensorImpl>>& known,
        const at::Tensor& tensor) {
  return known && known->_unsafe_get_target() == tensor.unsafeGetTensorImpl();
}

c10::weak_intrusive_ptr<at::TensorImpl> identity_of(const at::Tensor& tensor) {
  return c10::weak_intrusive_ptr<at::TensorImpl>(tensor.getIntrusivePtr());
}

std::uint32_t version_of(const at::Tensor& tensor) {
  return tensor.is_inference() ? 0 : static_cast<std::uint32_t>(tensor._version());
}

/// What a standby makes for it: of the parameter's sizes, dense.
at::Tensor like(const at::Tensor& parameter, at::Device device) {
  const torch::NoGradGuard no_grad;
  return at::empty_like(parameter, parameter.options().device(device).requires_grad(false));
}

bool can_be_made(const at::Tensor& gradient, const at::Tensor& made) {
  return gradient.layout() == at::kStrided && gradient.storage_offset() == 0 &&
         gradient.scalar_type() == made.scalar_type() &&
         gradient.storage().nbytes() == made.nbytes() && gradient.strides() == made.strides();
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> Gradients::parameters() {
  auto all = parameters_();
  seen_.resize(all.size());
  return all;
}

void Gradients::before_step(std::span<const void* const> tensors) {
  const auto all = parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& parameter = all[i].second;
    const auto& gradient = parameter.grad();
    if (!gradient.defined() ||
        !std::ranges::binary_search(tensors,
                                    static_cast<const void*>(parameter.unsafeGetTensorImpl()))) {
      continue;
    }
    seen_[i].used = identity_of(gradient);
    seen_[i].used_version = version_of(gradient);
  }
}

void Gradients::on_boundary(bool all_unused) {
  const auto all = parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& seen = seen_[i];
    const auto& gradient = all[i].second.grad();
    seen.adopted = at::Tensor();
    seen.unused = false;
    if (!gradient.defined()) {
      seen.last.reset();
      continue;
    }
    const bool survived = is(seen.last, gradient);
    seen.unused = !(is(seen.used, gradient) && seen.used_version == version_of(gradient));
    if (survived || (all_unused && seen.unused)) seen.kept = true;
    seen.last = identity_of(gradient);
  }
}

void Gradients::keep_unused() {
  for (auto& seen : seen_) seen.kept = seen.kept || seen.unused;
}

void Gradients::regions(std::vector<TrackedRegion>& out) {
  const auto all = parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [name, parameter] = all[i];
    if (!seen_[i].kept) continue;
    const auto made = like(parameter, at::kMeta);
    const auto& gradient = seen_[i].adopted.defined() ? seen_[i].adopted : parameter.grad();
    if (!gradient.defined()) {
      append_zeros(out, kPrefix + name, parameter, made);
    } else if (can_be_made(gradient, made)) {
      append_storage(out, kPrefix + name, gradient);
    } else {
      throw std::invalid_argument("the gradient of " + name +
                                  " lives from step to step, and is sparse or a view of memory "
                                  "that it shares: it cannot be sent");
    }
  }
}

/// In place of a gradient that is absent now, and need not be when the job is to move.
void Gradients::append_zeros(std::vector<TrackedRegion>& out, std::string name,
                             const at::Tensor& parameter, const at::Tensor& made) {
  const auto bytes = static_cast<std::int64_t>(made.nbytes());
  if (!zeros_.defined() || zeros_.numel() < bytes || zeros_.device() != parameter.device()) {
    zeros_ = at::zeros({bytes}, at::TensorOptions().dtype(at::kByte).device(parameter.device()));
  }
  append_storage(out, std::move(name), zeros_);
  auto& region = out.back();
  region.dtype = c10::toString(made.scalar_type());
  region.shape = shape_of(made);
  region.memory = region.memory.first(static_cast<std::size_t>(bytes));
  region.storage = nullptr;  // the same bytes stand for many
  region.relocate = nullptr;
}

void Gradients::adopt(const std::vector<std::string>& names) {
  const std::set<std::string> wanted(names.begin(), names.end());
  const auto all = parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& seen = seen_[i];
    seen.kept = wanted.contains(kPrefix + all[i].first);
    if (!seen.kept) {
      seen.adopted = at::Tensor();
    } else if (!seen.adopted.defined()) {
      seen.adopted = like(all[i].second, all[i].second.device()).zero_();
      // Behind a rehearsed step it is there already; a warm-up's is written over.
      const auto& own = all[i].second.grad();
      if (own.defined() && can_be_made(own, seen.adopted)) seen.adopted.copy_(own);
    }
  }
}

std::vector<std::byte> Gradients::save() {
  wire::WireWriter writer;
  const auto all = parameters();
  writer.u32(static_cast<std::uint32_t>(all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    writer.boolean(seen_[i].kept && all[i].second.grad().defined());
  }
  return std::move(writer).take();
}

void Gradients::load(std::span<const std::byte> bytes) {
  wire::WireReader reader(bytes);
  auto all = parameters();
  if (reader.u32() != all.size()) {
    throw std::invalid_argument("the other side has another number of parameters");
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    // The warm-up's own go in any case: the source's next step begins without any.
    all[i].second.mutable_grad() = reader.boolean() ? seen_[i].adopted : at::Tensor();
  }
  reader.finish();
}

void Gradients::on_arrived() {
  for (auto& seen : seen_) seen = Seen{};
}

}  // namespace cardswap
