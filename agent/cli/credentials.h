#pragma once

#include <string>

#include "agent/base/tls_files.h"

namespace cardswap::cli {

/// The certificate, key and token that the command shows to agents that it calls over TCP.
struct Credentials {
  tls::Files tls;
  std::string token_file;
  /// The user gave --token-file: the token is sent over the unix socket, too.
  bool token_was_chosen = false;

  /// Fills in what the options did not give: ca.crt, tls.crt, tls.key and token from the folder
  /// $CARDSWAP_TLS_DIR, or else from $XDG_CONFIG_HOME/cardswap or ~/.config/cardswap, as far as
  /// they are there. An empty $CARDSWAP_TLS_DIR means no folder. Throws Error{bad_request} if
  /// $CARDSWAP_TLS_DIR is not a folder. Before any other thread runs.
  void complete();
  /// The token in the file; empty if there is no file. Throws Error{io} if it cannot be read or has
  /// no token, Error{refused} if others may read it.
  [[nodiscard]] std::string token() const;
};

}  // namespace cardswap::cli
