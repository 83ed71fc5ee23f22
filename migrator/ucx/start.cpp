#include "migrator/ucx/start.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstring>

#include "migrator/error.h"

namespace cardswap::ucx {

Context make_context(const std::string& transports) {
  ucp_config_t* raw_config = nullptr;
  check(ucp_config_read(nullptr, nullptr, &raw_config), "read UCX's settings");
  const Config config(raw_config);
  const auto set = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    check(ucp_config_modify(config.get(), key, value.c_str()),
          fmt::format("set UCX's {} to '{}'", key, value));
  };
  const auto at = transports.find('@');
  set("TLS", transports.substr(0, at));
  if (at != std::string::npos) set("NET_DEVICES", transports.substr(at + 1));
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  ucp_context_h raw = nullptr;
  check(ucp_init(&params, config.get(), &raw), "start UCX");
  return Context(raw);
}

Worker make_worker(ucp_context_h context) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  ucp_worker_h raw = nullptr;
  check(ucp_worker_create(context, &params, &raw), "make a UCX worker");
  return Worker(raw);
}

sockaddr_storage numeric_address(const std::string& host, std::uint16_t port, socklen_t& length) {
  sockaddr_storage storage{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&storage, &v4, length = sizeof(v4));
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&storage, &v6, length = sizeof(v6));
  } else {
    throw Error(Code::bad_request, fmt::format("'{}' is no numeric address", host),
                "the data plane takes addresses such as 10.0.0.2");
  }
  return storage;
}

}  // namespace cardswap::ucx
