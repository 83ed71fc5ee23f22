#pragma once

#include <string>

#include "agent/base/tls_files.h"

namespace cardswap::cli {

/// What the command proves itself with to agents that it calls over TCP.
struct Credentials {
  tls::Files tls;
  std::string token_file;
  bool token_was_chosen = false;  ///< with --token-file: shown over the unix socket too

  /// Fills in what was not given: ca.crt, tls.crt, tls.key and token of $CARDSWAP_TLS_DIR, or else
  /// of ~/.config/cardswap, as far as they are there. An empty $CARDSWAP_TLS_DIR means none.
  void complete();
  /// The token that the file holds; empty when there is none. Throws Error{io, refused}.
  [[nodiscard]] std::string token() const;
};

}  // namespace cardswap::cli
