#pragma once

#include <string>

#include "agent/base/validate.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/handover/protocol/protocol.h"
#include "migrator/base/fields_of.h"

namespace cardswap::gang {

/// The part of a list of fields that is a Content. Reading throws Error{bad_request} for a state
/// digest that is no digest.
template <class Archive>
void content_fields(Archive& a, FieldsOf<Archive, handover::Content>& content) {
  std::string state_digest =
      content.state_digest == Digest{} ? std::string() : to_string(content.state_digest);
  a("root", state_digest);
  a("root_step", content.step);
  if constexpr (Archive::kReads) {
    try {
      content = content_from(state_digest, content.step);
    } catch (const Error&) {
      validate::check(false, "root", "digest");
    }
  }
}

/// What the communicators took, of one rank's message or of a whole gang.
template <class Archive, class Took>
void took_fields(Archive& a, Took& m) {
  a("build_ms", m.build_ms);
  a("try_ms", m.try_ms);
  a("exchange_ms", m.exchange_ms);
}

}  // namespace cardswap::gang
