#pragma once

#include <boost/asio/execution_context.hpp>
#include <utility>

#include "agent/security/tls_context.h"

namespace cardswap::tls {

/// The certificates and the token with which the HTTP calls of one io_context prove who they are.
/// It is an Asio service of that context, so callers need not pass it on. Without it, or with a
/// null TLS context, calls over TCP are plain.
class Identity final : public boost::asio::execution_context::service {
 public:
  using key_type = Identity;
  static inline boost::asio::execution_context::id id;  // Asio finds a service by it

  explicit Identity(boost::asio::execution_context& context)
      : boost::asio::execution_context::service(context) {}

  /// Uses `tls` and `bearer` for the connections that `context` opens from here on. Null or empty:
  /// none. From the thread that runs `context`.
  static void use(boost::asio::execution_context& context, Context tls, std::string bearer = {}) {
    auto& identity = boost::asio::use_service<Identity>(context);
    identity.tls_ = std::move(tls);
    identity.bearer_ = std::move(bearer);
  }
  /// The identity that use() set for `context`; null: none.
  [[nodiscard]] static const Identity* of(boost::asio::execution_context& context) {
    return boost::asio::has_service<Identity>(context)
               ? &boost::asio::use_service<Identity>(context)
               : nullptr;
  }

  [[nodiscard]] const Context& tls() const { return tls_; }
  /// The token that is sent in the Authorization header; empty: none. Over plain TCP it is never
  /// sent.
  [[nodiscard]] const std::string& bearer() const { return bearer_; }

 private:
  void shutdown() override {}

  Context tls_;
  std::string bearer_;
};

}  // namespace cardswap::tls
