#include "tests/unit/cuda/card_under_test.h"

namespace cardswap::test {

CardUnderTest card_under_test() {
  return {cuda::cudart(), [] { return cuda::driver_vmm(); }};
}

}  // namespace cardswap::test
