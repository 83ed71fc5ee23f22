#include "migrator/tensors/tensor_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/tensors/element_type.h"

namespace cardswap::tensors {
namespace {

using store::TensorEntry;

constexpr std::size_t kDimensionsMax = 64;
/// No product of two of these overflows, nor does a sum of some of them.
constexpr std::uint64_t kCountMax = std::uint64_t{1} << 62U;

/// Takes a text apart from its beginning.
class ShapeReader {
 public:
  explicit ShapeReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
  bool skip(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  template <class Number>
  std::optional<Number> number() {
    Number value{};
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (read.ec != std::errc{}) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(read.ptr - rest_.data()));
    return value;
  }
  /// Reads "[768, 2304]".
  template <class Number>
  std::optional<std::vector<Number>> list() {
    std::vector<Number> all;
    if (!skip("[")) return std::nullopt;
    if (skip("]")) return all;
    do {
      const auto one = number<Number>();
      if (!one || all.size() == kDimensionsMax) return std::nullopt;
      all.push_back(*one);
    } while (skip(", "));
    if (!skip("]")) return std::nullopt;
    return all;
  }

 private:
  std::string_view rest_;
};

/// How many elements a tensor has, and how far from its offset they lie, in elements.
struct Spread {
  std::uint64_t elements = 1;
  std::uint64_t below = 0;  ///< how far the first place lies before the offset
  std::uint64_t above = 0;  ///< how far the last place lies behind it
};

/// Nullopt: the numbers are too large for any memory.
std::optional<Spread> spread_of(const TensorEntry& tensor) {
  Spread spread;
  for (const auto size : tensor.sizes) {
    if (__builtin_mul_overflow(spread.elements, size, &spread.elements)) return std::nullopt;
  }
  if (spread.elements == 0) return spread;
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    const auto stride = tensor.strides[i];
    auto& side = stride < 0 ? spread.below : spread.above;
    const auto step =
        stride < 0 ? 0U - static_cast<std::uint64_t>(stride) : static_cast<std::uint64_t>(stride);
    std::uint64_t reach = 0;
    if (__builtin_mul_overflow(tensor.sizes[i] - 1, step, &reach) ||
        __builtin_add_overflow(side, reach, &side)) {
      return std::nullopt;
    }
  }
  if (std::max({spread.elements, spread.below, spread.above}) > kCountMax / 8) return std::nullopt;
  return spread;
}

/// Whether every element lies within `region_bytes`.
bool is_within(const TensorEntry& tensor, const Spread& spread, std::uint64_t region_bytes) {
  const std::uint64_t width = bytes_of(element_type(tensor.dtype));
  if (spread.elements == 0) return tensor.offset <= region_bytes;
  return tensor.offset <= region_bytes && spread.below * width <= tensor.offset &&
         (spread.above + 1) * width <= region_bytes - tensor.offset;
}

std::vector<std::int64_t> strides_for(const std::vector<std::uint64_t>& sizes) {
  std::vector<std::int64_t> strides(sizes.size());
  std::uint64_t stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = static_cast<std::int64_t>(stride);
    stride *= std::max<std::uint64_t>(sizes[i], 1);  // may wrap: then it is refused by its elements
  }
  return strides;
}

std::optional<TensorEntry> tensor_in(const Region& region, RegionId id) {
  const auto type = element_type(region.dtype);
  if (type == ElementType::raw || region.dtype == "bytes") return std::nullopt;
  ShapeReader reader(region.shape);
  auto sizes = reader.list<std::uint64_t>();
  if (!sizes) return std::nullopt;
  auto strides = strides_for(*sizes);
  if (reader.skip(" strides ")) {
    auto told = reader.list<std::int64_t>();
    if (!told || told->size() != sizes->size()) return std::nullopt;
    strides = std::move(*told);
  }
  std::uint64_t first = 0;
  if (reader.skip(" from ")) {
    const auto told = reader.number<std::uint64_t>();
    if (!told) return std::nullopt;
    first = *told;
  }
  if (!reader.is_at_end() || first > region.bytes / bytes_of(type)) return std::nullopt;
  TensorEntry tensor{
      region.name,        id, first * bytes_of(type), region.dtype, std::move(*sizes),
      std::move(strides), ""};
  const auto spread = spread_of(tensor);
  if (!spread || !is_within(tensor, *spread, region.bytes)) return std::nullopt;
  return tensor;
}

TensorEntry flat(const Region& region, RegionId id) {
  const std::uint64_t width = bytes_of(element_type(region.dtype));
  const bool is_whole = region.bytes % width == 0;
  const auto elements = is_whole ? region.bytes / width : region.bytes;
  return {region.name, id, 0, is_whole ? region.dtype : "bytes", {elements}, {1}, ""};
}

/// Throws Error{corrupt} unless the tensor can be read.
void check(const TensorEntry& tensor, const Region& region) {
  const auto refused = [&](std::string_view why) {
    return Error(Code::corrupt, fmt::format("tensor {}: {}", tensor.name, why));
  };
  if (tensor.sizes.size() > kDimensionsMax || tensor.sizes.size() != tensor.strides.size()) {
    throw refused("its sizes and strides are none");
  }
  const auto spread = spread_of(tensor);
  if (!spread) throw refused("it is larger than any memory");
  if (!is_within(tensor, *spread, region.bytes)) {
    throw refused(fmt::format("it does not lie in its region {}", region.name));
  }
  const auto bytes = spread->elements * bytes_of(element_type(tensor.dtype));
  if (bytes > std::max(region.bytes, kExpandedBytesMax)) {
    throw refused("it repeats its elements too often");
  }
}

}  // namespace

std::vector<TensorEntry> tensors_of(const Layout& layout) {
  std::vector<TensorEntry> all;
  for (std::size_t i = 0; i < layout.regions().size(); ++i) {
    if (auto tensor = tensor_in(layout.regions()[i], static_cast<RegionId>(i))) {
      all.push_back(std::move(*tensor));
    }
  }
  return all;
}

std::vector<ListedTensor> listed_tensors(const store::Manifest& manifest) {
  const auto& regions = manifest.layout.regions();
  std::vector<ListedTensor> all;
  std::vector<bool> is_listed(regions.size());
  for (const auto& tensor : manifest.tensors) {
    if (element_type(tensor.dtype) == ElementType::raw) continue;  // then its region is an array
    const auto region = static_cast<std::size_t>(tensor.region);
    check(tensor, regions.at(region));
    is_listed[region] = true;
    all.push_back({tensor, false});
  }
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (is_listed[i] || regions[i].bytes == 0) continue;
    all.push_back({flat(regions[i], static_cast<RegionId>(i)), true});
  }
  return all;
}

std::uint64_t element_count(const TensorEntry& tensor) {
  std::uint64_t elements = 1;
  for (const auto size : tensor.sizes) elements *= size;
  return elements;
}

bool is_contiguous(const TensorEntry& tensor) {
  std::uint64_t stride = 1;
  for (std::size_t i = tensor.sizes.size(); i-- > 0;) {
    if (tensor.sizes[i] == 0) return true;
    if (tensor.sizes[i] == 1) continue;
    if (tensor.strides[i] < 0 || static_cast<std::uint64_t>(tensor.strides[i]) != stride) {
      return false;
    }
    stride *= tensor.sizes[i];
  }
  return true;
}

ByteRange bytes_in_region(const TensorEntry& tensor) {
  const auto spread = spread_of(tensor).value_or(Spread{.elements = 0});
  if (spread.elements == 0) return {tensor.offset, tensor.offset};
  const std::uint64_t width = bytes_of(element_type(tensor.dtype));
  return {tensor.offset - spread.below * width, tensor.offset + (spread.above + 1) * width};
}

}  // namespace cardswap::tensors
