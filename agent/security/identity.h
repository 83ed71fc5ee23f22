#pragma once

#include <boost/asio/execution_context.hpp>
#include <utility>

#include "agent/security/tls_context.h"

namespace cardswap::tls {

/// Gives the HTTP calls of an io_context their certificates and tokens. It is a service of that
/// context, so the caller need not know of it. Without it, or without a TLS context in it, calls
/// over TCP are plain.
class Identity final : public boost::asio::execution_context::service {
 public:
  using key_type = Identity;
  static inline boost::asio::execution_context::id id;  // Asio finds a service by it

  explicit Identity(boost::asio::execution_context& context)
      : boost::asio::execution_context::service(context) {}

  /// Proves everything that runs on `context` from here on with these.
  static void use(boost::asio::execution_context& context, Context tls, std::string bearer = {}) {
    auto& identity = boost::asio::use_service<Identity>(context);
    identity.tls_ = std::move(tls);
    identity.bearer_ = std::move(bearer);
  }
  [[nodiscard]] static const Identity* of(boost::asio::execution_context& context) {
    return boost::asio::has_service<Identity>(context)
               ? &boost::asio::use_service<Identity>(context)
               : nullptr;
  }

  [[nodiscard]] const Context& tls() const { return tls_; }
  /// The token that is shown besides; empty: none. Never over plain TCP.
  [[nodiscard]] const std::string& bearer() const { return bearer_; }

 private:
  void shutdown() override {}

  Context tls_;
  std::string bearer_;
};

}  // namespace cardswap::tls
