#include "migrator/link/ucx/endpoints.h"

#include <fmt/format.h>

#include <chrono>

#include "migrator/base/error.h"
#include "migrator/link/link.h"
#include "migrator/link/ucx/start.h"

namespace cardswap::ucx {

ucp_ep_h connect_endpoint(ucp_worker_h worker, const std::string& host, std::uint16_t port,
                          ucp_err_handler_cb_t on_error, void* self) {
  socklen_t length = 0;
  const auto address = numeric_address(host, port, length);
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = length;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = on_error;
  params.err_handler.arg = self;
  ucp_ep_h endpoint = nullptr;
  const auto status = ucp_ep_create(worker, &params, &endpoint);
  if (status != UCS_OK) {
    throw Error(
        Code::unreachable,
        fmt::format("connect to {}: {}", link_address(host, port), ucs_status_string(status)),
        "check that the target's data address can be reached from this host");
  }
  return endpoint;
}

ucp_ep_h accept_endpoint(ucp_worker_h worker, ucp_conn_request_h request,
                         ucp_err_handler_cb_t on_error, void* self) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST | UCP_EP_PARAM_FIELD_ERR_HANDLER |
                      UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
  params.conn_request = request;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = on_error;
  params.err_handler.arg = self;
  ucp_ep_h endpoint = nullptr;
  return ucp_ep_create(worker, &params, &endpoint) == UCS_OK ? endpoint : nullptr;
}

void close_endpoint(ucp_worker_h worker, ucp_ep_h endpoint) noexcept {
  using Clock = std::chrono::steady_clock;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  const auto status = ucp_ep_close_nbx(endpoint, &param);
  if (!UCS_PTR_IS_PTR(status)) return;
  const auto deadline = Clock::now() + std::chrono::milliseconds(300);
  while (ucp_request_check_status(status) == UCS_INPROGRESS && Clock::now() < deadline) {
    ucp_worker_progress(worker);
  }
  ucp_request_free(status);
}

Listener listen_on(ucp_worker_h worker, const std::string& host,
                   ucp_listener_conn_callback_t on_connection, void* self) {
  socklen_t length = 0;
  const auto address = numeric_address(host, 0, length);
  ucp_listener_params_t params{};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = length;
  params.conn_handler.cb = on_connection;
  params.conn_handler.arg = self;
  ucp_listener_h raw = nullptr;
  const auto status = ucp_listener_create(worker, &params, &raw);
  if (status != UCS_OK) {
    throw Error(Code::io, fmt::format("listen on {}: {}", host, ucs_status_string(status)),
                "--data-host must be an address of this host");
  }
  return Listener(raw);
}

std::uint16_t port_of(ucp_listener_h listener) {
  ucp_listener_attr_t attributes{};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  check(ucp_listener_query(listener, &attributes), "ask the UCX listener for its port");
  return ntohs(attributes.sockaddr.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(attributes.sockaddr).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(attributes.sockaddr).sin_port);
}

}  // namespace cardswap::ucx
