#pragma once

#include <functional>
#include <memory>

#include "cuda/cudart.h"
#include "cuda/vmm.h"

namespace cardswap::test {

/// What on_card_test runs on: the machine's first card, or the stand-ins, as it is linked.
struct CardUnderTest {
  std::shared_ptr<cuda::Cudart> runtime;
  std::function<std::shared_ptr<cuda::Vmm>()> load_vmm;
};
/// Throws Error if CUDA was not built in.
[[nodiscard]] CardUnderTest card_under_test();

}  // namespace cardswap::test
