#pragma once

#include <cstdint>
#include <string>

#include "migrator/link/ucx/handles.h"

/// How a worker's connections are made and closed.
namespace cardswap::ucx {

/// Begins to connect to `host`. UCX calls `on_error` later, with `self`, if the connection is
/// refused or lost. The caller closes the endpoint with close_endpoint(). Throws Error{bad_request,
/// refused, unreachable}.
[[nodiscard]] ucp_ep_h connect_endpoint(ucp_worker_h worker, const std::string& host,
                                        std::uint16_t port, ucp_err_handler_cb_t on_error,
                                        void* self);
/// Accepts a connection. Null: the connection is gone already.
[[nodiscard]] ucp_ep_h accept_endpoint(ucp_worker_h worker, ucp_conn_request_h request,
                                       ucp_err_handler_cb_t on_error, void* self);
/// Closes by force. Progresses the worker for this, 300 ms at most: its callbacks may run.
void close_endpoint(ucp_worker_h worker, ucp_ep_h endpoint) noexcept;

/// Listens on a free port of `host`. UCX calls `on_connection`, with `self`, for each connection.
/// Throws Error{bad_request, refused, io}.
[[nodiscard]] Listener listen_on(ucp_worker_h worker, const std::string& host,
                                 ucp_listener_conn_callback_t on_connection, void* self);
/// Throws Error{link_lost}.
[[nodiscard]] std::uint16_t port_of(ucp_listener_h listener);

}  // namespace cardswap::ucx
