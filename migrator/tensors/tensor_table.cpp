#include "migrator/tensors/tensor_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/shared_tensor.h"
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
  /// Takes what stands before the next blank.
  std::string_view word() {
    const auto taken = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(taken.size());
    return taken;
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

/// Whether the elements overlap so that they come to more than anybody would write.
bool is_repeated_too_often(const TensorEntry& tensor, const Spread& spread,
                           std::uint64_t region_bytes) {
  const auto bytes = spread.elements * bytes_of(element_type(tensor.dtype));
  return bytes > std::max(region_bytes, kExpandedBytesMax);
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

/// Reads the shape of a tensor in a region of so many bytes. Nullopt: it is none, or does not fit.
std::optional<TensorEntry> tensor_from(ShapeReader& reader, std::string_view dtype,
                                       std::uint64_t region_bytes) {
  const auto type = element_type(dtype);
  if (type == ElementType::raw || dtype == "bytes") return std::nullopt;
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
  if (first > region_bytes / bytes_of(type)) return std::nullopt;
  TensorEntry tensor{"",
                     RegionId{},
                     first * bytes_of(type),
                     std::string(dtype),
                     std::move(*sizes),
                     std::move(strides),
                     ""};
  const auto spread = spread_of(tensor);
  const bool fits = spread && is_within(tensor, *spread, region_bytes) &&
                    !is_repeated_too_often(tensor, *spread, region_bytes);
  return fits ? std::optional(std::move(tensor)) : std::nullopt;
}

/// The tensor that the region `id` itself tells.
std::optional<TensorEntry> tensor_in(const Region& region, RegionId id) {
  ShapeReader reader(region.shape);
  auto tensor = tensor_from(reader, region.dtype, region.bytes);
  if (!tensor || !reader.is_at_end()) return std::nullopt;
  tensor->name = region.name;
  tensor->region = id;
  return tensor;
}

using RegionsByName = std::map<std::string_view, std::size_t>;

/// The tensor that a kSharedTensor tells: "Float [64, 8] of model/embedding.weight".
std::optional<TensorEntry> shared_tensor_in(const Region& told, const Layout& layout,
                                            const RegionsByName& by_name) {
  const auto cut = told.shape.find(" of ");
  if (cut == std::string::npos) return std::nullopt;
  const auto found = by_name.find(std::string_view(told.shape).substr(cut + 4));
  if (found == by_name.end()) return std::nullopt;
  ShapeReader reader(std::string_view(told.shape).substr(0, cut));
  const auto dtype = reader.word();
  if (!reader.skip(" ")) return std::nullopt;
  auto tensor = tensor_from(reader, dtype, layout.regions()[found->second].bytes);
  if (!tensor || !reader.is_at_end()) return std::nullopt;
  tensor->name = told.name;
  tensor->region = static_cast<RegionId>(found->second);
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
  if (is_repeated_too_often(tensor, *spread, region.bytes)) {
    throw refused("it repeats its elements too often");
  }
}

}  // namespace

std::vector<TensorEntry> tensors_of(const Layout& layout) {
  RegionsByName by_name;
  std::vector<TensorEntry> all;
  for (std::size_t i = 0; i < layout.regions().size(); ++i) {
    const auto& region = layout.regions()[i];
    auto tensor = region.dtype == kSharedTensor ? shared_tensor_in(region, layout, by_name)
                                                : tensor_in(region, static_cast<RegionId>(i));
    if (tensor) all.push_back(std::move(*tensor));
    by_name.emplace(region.name, i);
  }
  std::map<std::string, const TensorEntry*> first_of;
  for (auto& tensor : all) {
    const auto [first, is_new] = first_of.emplace(elements_of(tensor), &tensor);
    if (!is_new) tensor.alias_of = first->second->name;
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

std::string elements_of(const TensorEntry& tensor) {
  if (element_count(tensor) == 0) return "none: " + tensor.name;
  return fmt::format("{} {} {} [{}] [{}]", static_cast<std::uint32_t>(tensor.region), tensor.offset,
                     tensor.dtype, fmt::join(tensor.sizes, " "), fmt::join(tensor.strides, " "));
}

std::uint64_t element_count(const TensorEntry& tensor) {
  std::uint64_t elements = 1;
  for (const auto size : tensor.sizes) elements *= size;
  return elements;
}

std::uint64_t size_in_bytes(const TensorEntry& tensor) {
  return element_count(tensor) * bytes_of(element_type(tensor.dtype));
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
