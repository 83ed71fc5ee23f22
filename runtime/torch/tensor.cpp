#include "runtime/torch/tensor.h"

#include <c10/core/CPUAllocator.h>
#include <torch/version.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "runtime/framework.h"
#include "runtime/torch/accelerator.h"

const char* cardswap::detail::framework() noexcept { return "libtorch " TORCH_VERSION; }

namespace cardswap {
namespace {

/// Memory of somebody else's, from_blob's or another process's, stays where it is.
bool owns_its_memory(const c10::StorageImpl& storage) {
  const auto& data = storage.data_ptr();
  return storage.device().is_cpu() && storage.nbytes() > 0 && storage.resizable() &&
         data.get() == data.get_context() &&
         data.get_deleter() == c10::GetCPUAllocator()->raw_deleter();
}

/// "[768, 2304]". No stream: it is made for every tensor at every boundary of a migration.
std::string text_of(at::IntArrayRef numbers) {
  std::string text = "[";
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(numbers[i]);
  }
  return text + "]";
}

/// Views, tied weights and what autograd saved all read through the one storage.
void move_storage(const c10::Storage& storage, std::byte* home, std::shared_ptr<void> keep) {
  std::memcpy(home, storage.data(), storage.nbytes());
  storage.unsafeGetStorageImpl()->set_data_ptr_noswap(
      accelerator::at_home(home, std::move(keep), c10::Device(c10::kCPU)));
}

}  // namespace

std::string shape_of(const at::Tensor& tensor) {
  auto shape = text_of(tensor.sizes());
  if (!tensor.is_contiguous()) shape += " strides " + text_of(tensor.strides());
  if (tensor.storage_offset() != 0) shape += " from " + std::to_string(tensor.storage_offset());
  return shape;
}

void append_storage(std::vector<TrackedRegion>& out, std::string name, const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  if (tensor.layout() != at::kStrided) {
    throw std::invalid_argument(name + ": only dense tensors can be tracked");
  }
  const auto& storage = tensor.storage();
  TrackedRegion region;
  region.name = std::move(name);
  region.dtype = c10::toString(tensor.scalar_type());
  region.shape = shape_of(tensor);
  if (!tensor.is_inference()) region.version = static_cast<std::uint64_t>(tensor._version()) + 1;
  region.memory = {static_cast<std::byte*>(storage.mutable_data()), storage.nbytes()};
  region.device = accelerator::device_of(tensor);
  region.storage = storage.unsafeGetStorageImpl();
  region.keep_alive = std::make_shared<c10::Storage>(storage);
  if (owns_its_memory(*storage.unsafeGetStorageImpl())) {
    region.relocate = [storage](std::byte* home, std::shared_ptr<void> keep) {
      move_storage(storage, home, std::move(keep));
    };
  } else if (accelerator::can_move(*storage.unsafeGetStorageImpl())) {
    region.relocate = [storage](std::byte* home, std::shared_ptr<void> keep) {
      accelerator::move(storage, home, std::move(keep));
    };
  }
  out.push_back(std::move(region));
}

}  // namespace cardswap
