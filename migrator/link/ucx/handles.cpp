#include "migrator/link/ucx/handles.h"

#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap::ucx {

std::string reason_of(ucs_status_t status) {
  const std::string_view said = ucs_status_string(status);
  switch (status) {
    case UCS_ERR_REJECTED:
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_UNSUPPORTED:
    case UCS_ERR_INVALID_PARAM:
      return fmt::format("{} (UCX {} runs here; another release there may be why)", said,
                         ucp_get_version_string());
    default: return std::string(said);
  }
}

void check(ucs_status_t status, std::string_view doing) {
  if (status == UCS_OK) return;
  throw Error(Code::link_lost, fmt::format("{}: {}", doing, ucs_status_string(status)));
}

}  // namespace cardswap::ucx
