#include "runtime/memory_departure.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/steady_ns.h"
#include "runtime/memory_socket.h"
#include "runtime/passed_arena.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHolderAnswerMax{10};

}  // namespace

MemoryDeparture::MemoryDeparture(ArenaRelocator& relocator, Custodian custodian,
                                 const Digest& state_digest, std::uint64_t step)
    : relocator_(relocator),
      custodian_(std::move(custodian)),
      state_digest_(state_digest),
      step_(step) {
  whole_ = relocator_.digest();
  {
    std::vector<memory_transfer::PassedArena> arenas;
    for (const auto* slot : relocator_.slots()) {
      arenas.push_back({slot->name, slot->arena->base(), slot->arena->pieces()});
    }
    auto connection = memory_transfer::Connection::to(custodian_.path, custodian_.process);
    (void)memory_transfer::ask<memory_transfer::Kept>(
        connection, memory_transfer::Keep{memory_transfer::outlines_of(arenas)},
        memory_transfer::files_of(arenas), Clock::now() + kHolderAnswerMax);
  }
  try {
    unbind_all();
  } catch (...) {
    recall();
    throw;
  }
  ::malloc_trim(0);  // memory that the program has freed would be in the image
}

void MemoryDeparture::bind(const std::vector<memory_transfer::ArenaOutline>& arenas,
                           std::vector<Descriptor> files) {
  auto passed = memory_transfer::arenas_from(arenas, std::move(files));
  for (const auto* slot : relocator_.slots()) {
    if (slot->arena->is_bound()) continue;
    const auto found = std::ranges::find(passed, slot->name, &memory_transfer::PassedArena::device);
    if (found == passed.end()) {
      throw Error(Code::bad_request,
                  fmt::format("the job's memory on {} was not handed over", slot->name));
    }
    slot->arena->bind(std::move(found->pieces), found->base);
  }
}

void MemoryDeparture::unbind_all() {
  for (const auto* slot : relocator_.slots()) slot->arena->unbind();
}

void MemoryDeparture::recall() {
  auto connection = memory_transfer::Connection::to(custodian_.path, custodian_.process);
  auto [memory, files] = memory_transfer::ask<memory_transfer::Memory>(
      connection, memory_transfer::Fetch{}, {}, Clock::now() + kHolderAnswerMax);
  try {
    bind(memory.arenas, std::move(files));
    if (!(relocator_.digest() == whole_)) {
      throw Error(Code::digest_mismatch,
                  "the memory that came back is not, byte for byte, what the job gave away",
                  "nothing goes on from it; look at who else may read and write as this user");
    }
  } catch (...) {
    unbind_all();
    throw;
  }
  try {
    connection.send(memory_transfer::Done{});
  } catch (...) {
    // The memory is here and whole. The custodian, if it is still there, ends with this process.
  }
}

VerifiedState MemoryDeparture::arrive(const channel::Arrived& arrived) {
  auto connection = memory_transfer::Connection::to(arrived.holder);
  const auto asked_at = steady_ns();
  auto [memory, files] = memory_transfer::ask<memory_transfer::Memory>(
      connection, memory_transfer::Fetch{arrived.migration, arrived.token}, {},
      Clock::now() + kHolderAnswerMax);
  const auto answered_at = steady_ns();
  if (!(memory.state_digest == state_digest_) || !(arrived.state_digest == state_digest_) ||
      memory.step != step_) {
    throw Error(Code::digest_mismatch, "the holder has another state than this process left with",
                "the job goes on at the source");
  }
  try {
    bind(memory.arenas, std::move(files));
    connection.send(memory_transfer::Done{});
    if (!(relocator_.digest() == whole_)) {
      throw Error(Code::digest_mismatch,
                  "the restored process and its memory are not, byte for byte, what was dumped",
                  "the job goes on at the source");
    }
  } catch (...) {
    unbind_all();  // as it left
    throw;
  }
  VerifiedState state;
  state.state_digest = state_digest_;
  state.step = step_;
  const auto offset = asked_at + (answered_at - asked_at) / 2 - memory.now_ns;
  state.last_step_end_ns = memory.last_step_end_ns + offset;
  state.clock_error_ns = memory.clock_error_ns + (answered_at - asked_at) / 2;
  return state;
}

}  // namespace cardswap
