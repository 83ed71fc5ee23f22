#include "cuda/cudart.h"
#include "migrator/base/error.h"

namespace cardswap::cuda {

std::shared_ptr<Cudart> cudart() {
  throw Error(Code::refused, "this build of Cardswap has no CUDA",
              "build it with -DCARDSWAP_CUDA=ON where CUDA's toolkit is installed");
}

}  // namespace cardswap::cuda
