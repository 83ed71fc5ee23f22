#pragma once

#include <cstdint>
#include <optional>

#include "migrator/core/digest.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// What the target has answered, the latest of each kind. A value. PeerConnection::ask() and
/// begin_to_ask() forget the answer of a kind before its question; `replayed` and `audited` are
/// told of their own accord and have numbers.
struct TargetAnswers {
  std::optional<std::uint32_t> accepted;  ///< in how many chunks it cuts the layout
  bool multiplies = false;                ///< Accept::multiplies
  std::optional<data::ChunkDigests> digests;
  std::optional<Digest> confirmed;
  data::Replayed replayed;
  std::optional<data::Audited> audited;
  std::optional<data::Rehearsed> rehearsed;
  std::optional<data::ChunkBytes> shown;

  /// Throws Error{bad_request} for a message that only a source sends.
  void take(data::Message message);
};

}  // namespace cardswap
