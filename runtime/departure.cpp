#include "runtime/departure.h"

#include <malloc.h>

#include <chrono>
#include <utility>

#include "migrator/error.h"
#include "runtime/hand_over.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerMax{10};

std::int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

}  // namespace

Departure::Departure(Homing& homing, std::string keeper, const Digest& root, std::uint64_t step)
    : homing_(homing), keeper_(std::move(keeper)), root_(root), step_(step) {
  whole_ = homing_.digest();
  auto& arena = *homing_.arena();
  {
    auto connection = hand_over::Connection::to(keeper_);
    (void)hand_over::ask<hand_over::Kept>(connection, hand_over::Keep{arena.base(), arena.bytes()},
                                          arena.file(), Clock::now() + kAnswerMax);
  }
  arena.unbind();
  ::malloc_trim(0);  // what the program has freed would be in the image
}

void Departure::come_back() {
  auto connection = hand_over::Connection::to(keeper_);
  auto [memory, file] = hand_over::ask<hand_over::Memory>(connection, hand_over::Fetch{}, -1,
                                                          Clock::now() + kAnswerMax);
  homing_.arena()->bind(std::move(file), memory.base, memory.bytes);
  connection.send(hand_over::Done{});
}

VerifiedState Departure::arrive(const channel::Arrived& arrived) {
  auto connection = hand_over::Connection::to(arrived.holder);
  const auto asked_at = now_ns();
  auto [memory, file] = hand_over::ask<hand_over::Memory>(
      connection, hand_over::Fetch{arrived.migration, arrived.token}, -1,
      Clock::now() + kAnswerMax);
  const auto answered_at = now_ns();
  if (!(memory.root == root_) || !(arrived.root == root_) || memory.step != step_) {
    throw Error(Code::digest_mismatch, "the holder has another state than this process left with",
                "the job goes on at the source");
  }
  homing_.arena()->bind(std::move(file), memory.base, memory.bytes);
  connection.send(hand_over::Done{});
  if (!(homing_.digest() == whole_)) {
    throw Error(Code::digest_mismatch,
                "the restored process and its memory are not, byte for byte, what was dumped",
                "the job goes on at the source");
  }
  VerifiedState state;
  state.root = root_;
  state.step = step_;
  const auto offset = asked_at + (answered_at - asked_at) / 2 - memory.now_ns;
  state.last_step_end_ns = memory.last_step_end_ns + offset;
  state.clock_error_ns = memory.clock_error_ns + (answered_at - asked_at) / 2;
  return state;
}

}  // namespace cardswap
