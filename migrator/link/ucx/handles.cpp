#include "migrator/link/ucx/handles.h"

#include <fmt/format.h>

#include "migrator/core/error.h"

namespace cardswap::ucx {

void check(ucs_status_t status, std::string_view doing) {
  if (status == UCS_OK) return;
  throw Error(Code::link_lost, fmt::format("{}: {}", doing, ucs_status_string(status)));
}

}  // namespace cardswap::ucx
