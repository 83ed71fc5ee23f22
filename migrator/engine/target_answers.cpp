#include "migrator/engine/target_answers.h"

#include <utility>
#include <variant>

#include "migrator/core/error.h"

namespace cardswap {

void TargetAnswers::take(data::Message message) {
  if (const auto* accept = std::get_if<data::Accept>(&message)) {
    accepted = accept->chunks;
    multiplies = accept->multiplies;
  } else if (auto* told = std::get_if<data::ChunkDigests>(&message)) {
    digests = std::move(*told);
  } else if (const auto* told = std::get_if<data::Confirmed>(&message)) {
    confirmed = told->root;
  } else if (const auto* told = std::get_if<data::Replayed>(&message)) {
    replayed = *told;
  } else if (auto* told = std::get_if<data::Rehearsed>(&message)) {
    rehearsed = std::move(*told);
  } else if (auto* told = std::get_if<data::Shown>(&message)) {
    shown = std::move(*told);
  } else if (auto* told = std::get_if<data::Audited>(&message)) {
    audited = std::move(*told);
  } else {
    throw Error(Code::bad_request, "the target sent a message that only a source sends");
  }
}

}  // namespace cardswap
