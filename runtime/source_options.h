#pragma once

#include "migrator/base/error.h"
#include "migrator/engine/program.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The options of the source's engine from the BeginSync that the agent sent to a trainer, or to a
/// keeper in its place. Throws Error{refused} if the data is to be encrypted and no key came along:
/// an empty key means that nothing is sealed.
[[nodiscard]] inline SourceOptions source_options(const channel::BeginSync& begin) {
  if (begin.spec.encrypt && begin.data_key.empty()) {
    throw Error(Code::refused, "the state is to be encrypted, and no key for that came along",
                "run the same Cardswap release on all hosts");
  }
  SourceOptions options;
  options.migration = begin.migration;
  options.host = begin.host;
  options.port = begin.port;
  options.token = begin.token;
  options.data_key = begin.data_key;
  options.spec = begin.spec;
  options.transports = begin.transports;
  options.allowed_addresses = begin.allowed_addresses;
  options.handover_ms = begin.handover_ms;
  return options;
}

}  // namespace cardswap
