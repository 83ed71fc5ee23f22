#include "runtime/session/state_pages.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace cardswap {
namespace {

constexpr std::size_t kListBytesMax = 1U << 20;  // of its texts; the channel's queue has 4 MiB

std::size_t bytes_of(const channel::StateList& page) {
  std::size_t bytes = 0;
  for (const auto& item : page.items) {
    for (const auto* text :
         {&item.name, &item.kind, &item.type, &item.device, &item.dtype, &item.moves, &item.note})
      bytes += std::min(text->size(), channel::kItemTextBytesMax);
  }
  return bytes;
}

}  // namespace

std::vector<channel::StateList> state_pages(std::uint64_t request, std::uint64_t step,
                                            const std::vector<channel::StateItem>& items) {
  const auto pages = std::clamp<std::size_t>(
      (items.size() + channel::kItemsMax - 1) / channel::kItemsMax, 1, channel::kPagesMax);
  std::vector<channel::StateList> all;
  std::size_t bytes = 0;
  for (std::size_t page = 0; page < pages && bytes < kListBytesMax; ++page) {
    channel::StateList list{request,           step, static_cast<std::uint32_t>(page),
                            page + 1 == pages, {},   {}};
    const auto first = page * channel::kItemsMax;
    const auto last = std::min(items.size(), first + channel::kItemsMax);
    for (auto i = first; i < last; ++i) list.items.push_back(items[i]);
    bytes += bytes_of(list);
    list.last = list.last || bytes >= kListBytesMax;
    all.push_back(std::move(list));
  }
  return all;
}

}  // namespace cardswap
