#include "migrator/engine/adopted_state.h"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <utility>

#include "migrator/core/error.h"

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kLinkWaitMax{50};

}  // namespace

void AdoptedState::take(TargetProgram& program, const Layout& wanted, std::uint64_t chunk_bytes,
                        Link& link) {
  chunks_.clear();
  take_memory(program, wanted, link);
  chunks_ = cut_into_chunks(state_view_.layout, chunk_bytes);
}

void AdoptedState::look_again(TargetProgram& program, Link& link) {
  take_memory(program, Layout(state_view_.layout), link);
}

void AdoptedState::take_memory(TargetProgram& program, const Layout& wanted, Link& link) {
  auto made = std::async(std::launch::async, [&] {
    auto state_view = program.adopt(wanted);
    for (const auto& device : state_view.devices) {
      if (device) device->wait(state_view.fence);
    }
    link.wake();
    return state_view;
  });
  while (made.wait_for(std::chrono::milliseconds(0)) != std::future_status::ready) {
    link.wait(std::chrono::steady_clock::now() + kLinkWaitMax);
  }
  auto former = std::exchange(state_view_, made.get());
  if (under_way_ != 0) former_.push_back(std::move(former));
  if (state_view_.layout == wanted) return;
  throw Error(Code::layout_differs,
              fmt::format("the standby's tensors are not the source's: {}",
                          fmt::join(differences(wanted, state_view_.layout), "; ")),
              "both sides must build the same model; check arguments, files and environment");
}

void AdoptedState::landed() {
  if (--under_way_ == 0) former_.clear();
}

std::vector<ChunkId> AdoptedState::all_chunks() const {
  std::vector<ChunkId> all(chunks_.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<ChunkId>(i);
  return all;
}

}  // namespace cardswap
