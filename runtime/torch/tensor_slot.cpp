#include "runtime/torch/tensor_slot.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "runtime/torch/tensor.h"

namespace cardswap::tensor_slot {
namespace {

constexpr std::size_t kDimensionsMax = 64;  // LibTorch's own bound
constexpr const char* kNone = "none";

/// What must be made to hold a tensor's bytes.
struct Storage {
  at::ScalarType dtype = at::kByte;
  std::size_t bytes = 0;
  at::DeviceType device = at::kCPU;
  bool operator==(const Storage&) const = default;
};

Storage storage_of(const at::Tensor& tensor) {
  return {tensor.scalar_type(), tensor.storage().nbytes(), tensor.device().type()};
}

std::string text_of(const Storage& storage) {
  return std::string(c10::toString(storage.dtype)) + " " + std::to_string(storage.bytes) + " B " +
         c10::DeviceTypeName(storage.device, /*lower_case=*/true);
}

std::optional<at::ScalarType> dtype_from(std::string_view name) {
  for (int i = 0; i < static_cast<int>(at::ScalarType::NumOptions); ++i) {
    const auto dtype = static_cast<at::ScalarType>(i);
    if (name == c10::toString(dtype)) return dtype;
  }
  return std::nullopt;
}

std::optional<Storage> storage_from(const std::string& text) {
  Storage storage;
  const auto first = text.find(' ');
  const auto second = text.find(" B ", first == std::string::npos ? 0 : first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  const auto dtype = dtype_from(std::string_view(text).substr(0, first));
  const auto* end = text.data() + second;
  const auto read = std::from_chars(text.data() + first + 1, end, storage.bytes);
  if (!dtype || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  storage.dtype = *dtype;
  storage.device = c10::Device(text.substr(second + 3)).type();
  return storage;
}

bool is_parameter(const at::Tensor& tensor) {
  return tensor.defined() && tensor.requires_grad() && tensor.is_leaf();
}

void put(wire::WireWriter& writer, at::IntArrayRef values) {
  writer.u32(static_cast<std::uint32_t>(values.size()));
  for (const auto value : values) writer.i64(value);
}
std::vector<std::int64_t> take(wire::WireReader& reader) {
  std::vector<std::int64_t> values(reader.count(sizeof(std::int64_t)));
  if (values.size() > kDimensionsMax) throw std::invalid_argument("too many dimensions");
  for (auto& value : values) value = reader.i64();
  return values;
}

TrackedRegion without_bytes(std::string name) {
  TrackedRegion region;
  region.name = std::move(name);
  region.dtype = "bytes";
  return region;
}

}  // namespace

void append(std::vector<TrackedRegion>& out, const std::string& name, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    out.push_back(without_bytes(name + kNone));
    return;
  }
  append_storage(out, name, tensor);
  out.back().name += text_of(storage_of(tensor));
  out.back().shape.clear();  // it goes with the values
}

void adopt(const std::vector<std::string>& names, const std::string& name, at::Tensor& tensor) {
  const auto* wanted = find(names, name);
  if (wanted == nullptr || is_parameter(tensor)) return;
  if (*wanted == name + kNone) {
    tensor = at::Tensor();
    return;
  }
  const auto storage = storage_from(wanted->substr(name.size()));
  if (!storage || (tensor.defined() && storage_of(tensor) == *storage)) return;
  const auto device = tensor.defined() && tensor.device().type() == storage->device
                          ? tensor.device()
                          : c10::Device(storage->device);
  const auto items = storage->bytes / c10::elementSize(storage->dtype);
  tensor = at::empty({static_cast<std::int64_t>(items)},
                     at::TensorOptions().dtype(storage->dtype).device(device));
}

void save(wire::WireWriter& writer, const at::Tensor& tensor) {
  writer.boolean(tensor.defined());
  if (!tensor.defined()) return;
  if (tensor.grad_fn()) {
    throw std::invalid_argument(
        "a tensor that is tracked by itself is part of a graph at the boundary: detach() it first");
  }
  put(writer, tensor.sizes());
  put(writer, tensor.strides());
  writer.i64(tensor.storage_offset()).boolean(tensor.requires_grad());
}

void load(wire::WireReader& reader, at::Tensor& tensor) {
  if (!reader.boolean()) {
    if (tensor.defined()) throw std::invalid_argument("the source has no tensor here");
    return;
  }
  if (!tensor.defined()) throw std::invalid_argument("the source has a tensor here");
  const auto sizes = take(reader);
  const auto strides = take(reader);
  const auto offset = reader.i64();
  const auto requires_grad = reader.boolean();
  if (sizes.size() != strides.size()) throw std::invalid_argument("sizes without strides");
  if (tensor.sizes() != sizes || tensor.strides() != strides || tensor.storage_offset() != offset) {
    if (is_parameter(tensor)) throw std::invalid_argument("a parameter of another shape");
    const torch::NoGradGuard no_grad;
    tensor = tensor.detach().as_strided(sizes, strides, offset);
  } else if (tensor.grad_fn()) {
    tensor = tensor.detach();
  }
  if (tensor.requires_grad() != requires_grad) tensor.set_requires_grad(requires_grad);
}

const std::string* find(const std::vector<std::string>& names, const std::string& prefix) {
  const auto found =
      std::ranges::find_if(names, [&](const auto& name) { return name.starts_with(prefix); });
  return found == names.end() ? nullptr : &*found;
}

void append_count(std::vector<TrackedRegion>& out, const std::string& name, std::size_t count) {
  out.push_back(without_bytes(name + " " + std::to_string(count)));
}

std::optional<std::size_t> find_count(const std::vector<std::string>& names,
                                      const std::string& name, std::size_t max) {
  const auto prefix = name + " ";
  const auto* found = find(names, prefix);
  if (found == nullptr) return std::nullopt;
  std::size_t count = 0;
  const auto* end = found->data() + found->size();
  const auto read = std::from_chars(found->data() + prefix.size(), end, count);
  if (read.ec != std::errc() || read.ptr != end || count > max) {
    throw std::invalid_argument("'" + *found + "' is no count of tensors");
  }
  return count;
}

}  // namespace cardswap::tensor_slot
