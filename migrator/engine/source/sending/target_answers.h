#pragma once

#include <cstdint>
#include <optional>

#include "migrator/core/digest.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// The target's latest answer of each kind. Nullopt: not answered yet. A value.
/// ConnectionToTarget::ask() and begin_to_ask() reset the answer before they send the question. The
/// target sends `replayed` and `audited` without a question; they have numbers.
struct TargetAnswers {
  std::optional<std::uint32_t> accepted;  ///< Accept::chunks
  bool multiplies = false;                ///< Accept::multiplies
  std::optional<data::ChunkDigests> digests;
  std::optional<Digest> confirmed;
  data::Replayed replayed;
  std::optional<data::Audited> audited;
  std::optional<data::Rehearsed> rehearsed;
  std::optional<data::ChunkBytes> shown;

  /// Stores an answer. Throws Error{bad_request} for a message that only a source sends.
  void store(data::Message message);
};

}  // namespace cardswap
