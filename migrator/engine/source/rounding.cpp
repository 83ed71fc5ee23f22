#include "migrator/engine/source/rounding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/engine/source/context/source_context.h"

namespace cardswap {
namespace {

constexpr double kUnits = 64;
constexpr std::size_t kRegionsMax = 64;

template <class Number>
bool is_close(std::span<const std::byte> one, std::span<const std::byte> other) {
  double largest = 0;
  double apart = 0;
  for (std::size_t at = 0; at + sizeof(Number) <= one.size(); at += sizeof(Number)) {
    Number a{};
    Number b{};
    std::memcpy(&a, one.data() + at, sizeof a);
    std::memcpy(&b, other.data() + at, sizeof b);
    if (std::memcmp(&a, &b, sizeof a) == 0) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return false;
    apart = std::max(apart, std::abs(static_cast<double>(a) - static_cast<double>(b)));
  }
  for (std::size_t at = 0; at + sizeof(Number) <= one.size(); at += sizeof(Number)) {
    Number a{};
    std::memcpy(&a, one.data() + at, sizeof a);
    if (std::isfinite(a)) largest = std::max(largest, std::abs(static_cast<double>(a)));
  }
  return apart <= kUnits * std::numeric_limits<Number>::epsilon() * largest;
}

}  // namespace

bool is_rounding(std::string_view dtype, std::span<const std::byte> one,
                 std::span<const std::byte> other) {
  if (one.size() != other.size() || std::ranges::equal(one, other)) return false;
  if (dtype == "Float") return is_close<float>(one, other);
  if (dtype == "Double") return is_close<double>(one, other);
  return false;
}

bool differ_by_rounding(SourceContext& context, std::span<const ChunkId> differing) {
  const auto& view = context.state.view();
  const auto& chunks = context.state.chunks();
  std::optional<RegionId> last;
  std::size_t regions = 0;
  for (const auto chunk : differing) {
    const auto& span = chunks.span_of(chunk);
    if (last == span.region) continue;
    last = span.region;
    if (++regions > kRegionsMax) break;
    auto range = range_of(view, span);
    range.bytes =
        range.bytes.first(std::min<std::size_t>(range.bytes.size(), data::kShownBytesMax));
    const auto& shown = context.connection.ask(
        &TargetAnswers::shown,
        data::ReadChunk{chunk, static_cast<std::uint32_t>(range.bytes.size())});
    if (shown.chunk != chunk) {
      throw Error(Code::bad_request, "the target showed another chunk than was asked for");
    }
    std::vector<std::byte> own(range.bytes.size());
    range.device->read(std::span(&range, 1), own.data(), view.fence);
    const auto& dtype = view.layout.regions()[static_cast<std::size_t>(span.region)].dtype;
    if (!is_rounding(dtype, own, shown.bytes)) return false;
  }
  return true;
}

}  // namespace cardswap
