#include "tests/stand_ins/vmm/vmm.h"
#include "tests/unit/cuda/card_under_test.h"

namespace cardswap::test {

CardUnderTest card_under_test() {
  const auto runtime = std::make_shared<StandInCudart>();
  return {runtime, [vmm = std::make_shared<StandInVmm>(runtime)] { return vmm; }};
}

}  // namespace cardswap::test
