#pragma once

#include <optional>

#include "migrator/base/error.h"
#include "migrator/core/layout.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// The source's orders that are not carried out yet: the latest of each kind. A value. Events of
/// the link fill it, and the engine takes the orders in the sequence that it needs.
struct SourceOrders {
  /// A layout that the target must adopt.
  struct NewLayout {
    Layout layout;
    bool wants_digests = false;  ///< answer with the digests of everything
  };
  std::optional<NewLayout> layout;
  std::optional<data::LayoutAmended> amended;
  std::optional<data::RoundEnd> round_end;
  std::optional<data::Values> values;  ///< kept for further final rounds
  std::optional<Digest> equal;
  bool freeze_began = false;
  bool rehearse = false;
  std::optional<data::ReadChunk> show;
  std::optional<Error> ended;  ///< the source has ended the migration, or is lost

  /// Stores an order. Throws Error{bad_request} for a message that only a target sends.
  void take(data::Message message);
};

}  // namespace cardswap
