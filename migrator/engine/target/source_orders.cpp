#include "migrator/engine/target/source_orders.h"

#include <utility>
#include <variant>

namespace cardswap {

void SourceOrders::take(data::Message message) {
  if (auto* changed = std::get_if<data::LayoutReplaced>(&message)) {
    layout = NewLayout{std::move(changed->layout), changed->want_digests};
  } else if (auto* other = std::get_if<data::LayoutAmended>(&message)) {
    amended = std::move(*other);
  } else if (const auto* end = std::get_if<data::RoundEnd>(&message)) {
    round_end = *end;
  } else if (std::holds_alternative<data::FreezeBegin>(message)) {
    freeze_began = true;
  } else if (auto* sent = std::get_if<data::Values>(&message)) {
    values = std::move(*sent);
  } else if (std::holds_alternative<data::Rehearse>(message)) {
    rehearse = true;
  } else if (const auto* asked = std::get_if<data::ReadChunk>(&message)) {
    show = *asked;
  } else if (const auto* agreed = std::get_if<data::Equal>(&message)) {
    equal = agreed->state_digest;
  } else if (const auto* bye = std::get_if<data::Abort>(&message)) {
    ended = Error(Code::cancelled, bye->reason);
  } else {
    throw Error(Code::bad_request, "the source sent a message that only a target sends");
  }
}

}  // namespace cardswap
