#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "migrator/base/release_with.h"

/// Owners of UCX's handles, one pointer wide, and the one include of ucp.h.
namespace cardswap::ucx {

template <class Raw, auto Release>
using Handle = std::unique_ptr<std::remove_pointer_t<Raw>, ReleaseWith<Release>>;

using Config = Handle<ucp_config_t*, ucp_config_release>;
using Context = Handle<ucp_context_h, ucp_cleanup>;
using Worker = Handle<ucp_worker_h, ucp_worker_destroy>;
using Listener = Handle<ucp_listener_h, ucp_listener_destroy>;
static_assert(sizeof(Worker) == sizeof(ucp_worker_h));

/// What went wrong with a peer, in UCX's words. Where another release of UCX at its side may be the
/// reason, which UCX itself tells nobody, with the release that runs here.
[[nodiscard]] std::string reason_of(ucs_status_t status);

/// Throws Error{link_lost}: "connect to 10.0.0.2:7071: Connection reset by remote peer".
void check(ucs_status_t status, std::string_view doing);

}  // namespace cardswap::ucx
