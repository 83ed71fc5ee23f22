#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "migrator/base/release_with.h"

/// Owners of UCX's handles, one pointer wide. Only this file includes ucp.h.
namespace cardswap::ucx {

template <class Raw, auto Release>
using Handle = std::unique_ptr<std::remove_pointer_t<Raw>, ReleaseWith<Release>>;

using Config = Handle<ucp_config_t*, ucp_config_release>;
using Context = Handle<ucp_context_h, ucp_cleanup>;
using Worker = Handle<ucp_worker_h, ucp_worker_destroy>;
using Listener = Handle<ucp_listener_h, ucp_listener_destroy>;
static_assert(sizeof(Worker) == sizeof(ucp_worker_h));

/// UCX's text of an error with a peer. If another release of UCX at the peer may be the cause,
/// which UCX itself never says, the text also names the release that runs here.
[[nodiscard]] std::string reason_of(ucs_status_t status);

/// Throws Error{link_lost} unless `status` is UCS_OK; `doing` begins the text: "start UCX: No such
/// device".
void check(ucs_status_t status, std::string_view doing);

}  // namespace cardswap::ucx
