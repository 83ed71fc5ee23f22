#include "migrator/engine/source/sending/target_answers.h"

#include <utility>
#include <variant>

#include "migrator/base/error.h"

namespace cardswap {

void TargetAnswers::store(data::Message message) {
  if (const auto* accept = std::get_if<data::Accept>(&message)) {
    accepted = accept->chunks;
    multiplies = accept->multiplies;
  } else if (auto* scan = std::get_if<data::ChunkDigests>(&message)) {
    digests = std::move(*scan);
  } else if (const auto* whole = std::get_if<data::Confirmed>(&message)) {
    confirmed = whole->state_digest;
  } else if (const auto* replay = std::get_if<data::Replayed>(&message)) {
    replayed = *replay;
  } else if (auto* rehearsal = std::get_if<data::Rehearsed>(&message)) {
    rehearsed = std::move(*rehearsal);
  } else if (auto* shows = std::get_if<data::ChunkBytes>(&message)) {
    shown = std::move(*shows);
  } else if (auto* audit = std::get_if<data::Audited>(&message)) {
    audited = std::move(*audit);
  } else {
    throw Error(Code::bad_request, "the target sent a message that only a source sends");
  }
}

}  // namespace cardswap
