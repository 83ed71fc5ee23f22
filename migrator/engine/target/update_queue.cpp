#include "migrator/engine/target/update_queue.h"

#include <algorithm>
#include <set>

namespace cardswap {

void UpdateQueue::check(const data::Update& update, std::uint64_t state_bytes) const {
  if (update.number != added_ + 1) {
    throw Error(Code::bad_request, "an update of the log came out of order");
  }
  std::uint64_t bytes = 0;
  std::set<std::uint64_t> early;
  for (const auto& gradient : update.gradients) {
    if (gradient.bytes > state_bytes - bytes) {
      throw Error(Code::bad_request, "an update has more gradients than the state has bytes");
    }
    bytes += gradient.bytes;
    if (gradient.early == 0) continue;
    early_.check_claim(gradient);
    if (!early.insert(gradient.early).second) {
      throw Error(Code::bad_request, "an update refers to an early gradient twice");
    }
  }
}

void UpdateQueue::add(data::Update update, std::uint64_t state_bytes, const Allocate& allocate) {
  check(update, state_bytes);
  Waiting waiting;
  for (const auto& gradient : update.gradients) {
    if (gradient.early == 0) waiting.bytes += gradient.bytes;
  }
  if (bytes_ + early_.bytes() + waiting.bytes > kStatesWaitingMax * state_bytes) {
    throw Error(Code::bad_request, "the source sends updates faster than they can be replayed");
  }
  for (const auto& gradient : update.gradients) {
    waiting.gradients.push_back(
        gradient.early != 0
            ? Buffer{}
            : allocate(static_cast<ParameterId>(gradient.parameter), gradient.bytes));
  }
  waiting.pieces.resize(waiting.gradients.size());
  for (const auto& gradient : update.gradients) {
    if (gradient.early != 0) early_.claim(gradient.early);
  }
  bytes_ += waiting.bytes;
  waiting.update = std::move(update);
  waiting_.emplace(++added_, std::move(waiting));
}

void UpdateQueue::add(const data::EarlyGradient& gradient, std::uint64_t state_bytes,
                      const Allocate& allocate) {
  early_.check(gradient);
  if (gradient.bytes > state_bytes ||
      bytes_ + early_.bytes() + gradient.bytes > kStatesWaitingMax * state_bytes) {
    throw Error(Code::bad_request, "the source sends gradients faster than they can be replayed");
  }
  early_.add(gradient, allocate(static_cast<ParameterId>(gradient.parameter), gradient.bytes));
}

bool UpdateQueue::is_whole(const Waiting& waiting) const {
  return waiting.landed == waiting.bytes &&
         std::ranges::all_of(waiting.update.gradients, [this](const auto& gradient) {
           return gradient.early == 0 || early_.is_whole(gradient.early);
         });
}

UpdateQueue::Waiting& UpdateQueue::at(std::uint64_t number) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) {
    throw Error(Code::bad_request, "a gradient of an update that was not announced");
  }
  return found->second;
}

MemoryRange UpdateQueue::reserve(const data::GradientHeader& header, std::size_t bytes) {
  auto& waiting = at(header.update);
  if (header.gradient >= waiting.gradients.size()) {
    throw Error(Code::bad_request, "a gradient that its update does not have");
  }
  const auto& gradient = waiting.gradients[header.gradient];
  if (header.offset > gradient.bytes.size() || bytes > gradient.bytes.size() - header.offset) {
    throw Error(Code::bad_request, "a piece that reaches past its gradient");
  }
  if (!waiting.pieces[header.gradient].place(header.offset, bytes)) {
    throw Error(Code::bad_request, "a piece of a gradient that came before");
  }
  waiting.placed += bytes;
  return {gradient.device, gradient.bytes.subspan(header.offset, bytes)};
}

void UpdateQueue::on_received(const data::GradientHeader& header, std::size_t bytes) {
  at(header.update).landed += bytes;
}

std::optional<ReceivedUpdate> UpdateQueue::take(std::uint64_t base_chunks) {
  if (waiting_.empty()) return std::nullopt;
  auto& next = waiting_.begin()->second;
  if (base_chunks < next.update.base_chunks || !is_whole(next)) return std::nullopt;
  ReceivedUpdate result;
  result.number = next.update.number;
  result.step = next.update.step;
  result.optimizer = next.update.optimizer;
  result.audit = next.update.audit;
  result.options = std::move(next.update.options);
  for (std::size_t i = 0; i < next.gradients.size(); ++i) {
    const auto& gradient = next.update.gradients[i];
    result.gradients.push_back(
        {static_cast<ParameterId>(gradient.parameter),
         gradient.early != 0 ? early_.take(gradient.early) : std::move(next.gradients[i]),
         gradient.factor});
  }
  bytes_ -= next.bytes;
  waiting_.erase(waiting_.begin());
  return result;
}

void UpdateQueue::clear() {
  if (early_.is_landing()) {
    throw Error(Code::bad_request, "the layout changed while early gradients were landing");
  }
  for (const auto& [number, waiting] : waiting_) {
    if (waiting.placed != waiting.landed) {
      throw Error(Code::bad_request, "the layout changed while gradients were landing");
    }
  }
  waiting_.clear();
  early_.clear();
  added_ = 0;
  bytes_ = 0;
}

}  // namespace cardswap
