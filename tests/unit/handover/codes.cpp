#include "tests/unit/handover/agents.h"

namespace cardswap::handover::model {
namespace {

constexpr std::uint8_t kStatus = 64;
constexpr std::uint8_t kContents = 9;

std::uint8_t byte(auto value) { return static_cast<std::uint8_t>(value); }

}  // namespace

Content content_of(Held held) {
  Content content;
  if (held == 0) return content;
  content.state_digest.bytes[0] = held <= 4 ? 1 : 2;
  content.step = (held - 1U) % 4;
  return content;
}

Held held_of(const Content& content) {
  if (content.state_digest.bytes[0] == 0) return 0;
  return byte(content.step + 1 + (content.state_digest.bytes[0] == 2 ? 4 : 0));
}

std::uint8_t code_of(const Message& m) {
  using Kind = Message::Kind;
  const auto held = model::held_of(m.content);
  const bool old = m.epoch == kBase;
  switch (m.kind) {
    case Kind::reserve: return 1;
    case Kind::poll: return 2;
    case Kind::drop: return m.epoch == kReclaimed ? 7 : m.epoch == kTaken ? 8 : 3;
    case Kind::ask: return 4;
    case Kind::grant: return byte((old ? 10 : 20) + held);
    case Kind::decision:
      if (m.decision == Decision::pending) return 5;
      if (m.decision == Decision::aborted) return 6;
      return byte(30 + held);
    case Kind::status: return byte(kStatus + byte(m.state) * kContents + held);
  }
  return 0;
}

Message message_of(std::uint8_t code) {
  using Kind = Message::Kind;
  if (code >= kStatus) {
    const auto rest = code - kStatus;
    return {Kind::status, kGranted, content_of(byte(rest % kContents)), Decision::pending,
            static_cast<TargetState>(rest / kContents)};
  }
  if (code >= 30)
    return {Kind::decision, kGranted, content_of(byte(code - 30)), Decision::committed};
  if (code >= 20) return {Kind::grant, kGranted, content_of(byte(code - 20))};
  if (code >= 10) return {Kind::grant, kBase, content_of(byte(code - 10))};
  switch (code) {
    case 1: return {Kind::reserve, kGranted};
    case 2: return {Kind::poll, kGranted};
    case 3: return {Kind::drop, kGranted};
    case 4: return {Kind::ask, kGranted};
    case 7: return {Kind::drop, kReclaimed};
    case 8: return {Kind::drop, kTaken};
    case 5: return {Kind::decision, kGranted, {}, Decision::pending};
    default: return {Kind::decision, kGranted, {}, Decision::aborted};
  }
}

}  // namespace cardswap::handover::model
