#pragma once

#include <string>

#include "agent/handover/base/peer_answers.h"
#include "migrator/plan/migration_spec.h"

/// The key that seals the data of a move which is to be encrypted. The target's agent makes it.
namespace cardswap {

/// Checks that the target's agent gave a key where `spec` asks to encrypt: an empty key would mean
/// that the state goes in the clear. `to` is the destination, for the text. Throws Error{refused}.
void check_key_was_given(const MigrationSpec& spec, const DataEndpoint& data,
                         const std::string& to);
/// Checks that the key may be sent to `to` by agents that have no TLS: only on loopback, and then
/// the log says so. `what` names the move in the log: "job gpt". Throws Error{refused}, and
/// Error{bad_request} if `to` is no destination.
void check_key_may_go_in_the_clear(const std::string& to, const std::string& what);

}  // namespace cardswap
