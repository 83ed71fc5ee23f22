#pragma once

#include <optional>

#include "migrator/base/error.h"
#include "migrator/core/layout.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// What the source has asked for and was not done yet, the latest of each kind. A value: events of
/// the link fill it, and the engine takes from it in the order that it needs.
struct SourceOrders {
  /// A layout that the target is to take.
  struct NewLayout {
    Layout layout;
    bool wants_digests = false;  ///< of what the target holds in it
  };
  std::optional<NewLayout> layout;
  std::optional<data::LayoutAmended> amended;
  std::optional<data::RoundEnd> round_end;
  std::optional<data::Values> values;  ///< stay for further final rounds
  std::optional<Digest> equal;
  bool freeze_began = false;
  bool rehearse = false;
  std::optional<data::ReadChunk> show;
  std::optional<Error> ended;

  /// Throws Error{bad_request} for a message that only a target sends.
  void take(data::Message message);
};

}  // namespace cardswap
