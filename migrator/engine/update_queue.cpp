#include "migrator/engine/update_queue.h"

namespace cardswap {

void UpdateQueue::add(data::Update update, std::uint64_t state_bytes, const Allocate& allocate) {
  if (update.number != added_ + 1) {
    throw Error(Code::bad_request, "an update of the log came out of order");
  }
  Waiting waiting;
  for (const auto& gradient : update.gradients) {
    if (gradient.bytes > state_bytes - waiting.bytes) {
      throw Error(Code::bad_request, "an update has more gradients than the state has bytes");
    }
    waiting.bytes += gradient.bytes;
  }
  if (bytes_ + waiting.bytes > kStatesWaitingMax * state_bytes) {
    throw Error(Code::bad_request, "the source sends updates faster than they can be replayed");
  }
  for (const auto& gradient : update.gradients) {
    waiting.gradients.push_back(
        allocate(static_cast<ParameterId>(gradient.parameter), gradient.bytes));
  }
  bytes_ += waiting.bytes;
  waiting.update = std::move(update);
  waiting_.emplace(++added_, std::move(waiting));
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
  if (bytes > waiting.bytes - waiting.placed) {
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
  if (next.landed < next.bytes || base_chunks < next.update.base_chunks) return std::nullopt;
  ReceivedUpdate result;
  result.number = next.update.number;
  result.step = next.update.step;
  result.optimizer = next.update.optimizer;
  result.audit = next.update.audit;
  result.options = std::move(next.update.options);
  for (std::size_t i = 0; i < next.gradients.size(); ++i) {
    result.gradients.push_back({static_cast<ParameterId>(next.update.gradients[i].parameter),
                                std::move(next.gradients[i])});
  }
  bytes_ -= next.bytes;
  waiting_.erase(waiting_.begin());
  return result;
}

void UpdateQueue::clear() {
  for (const auto& [number, waiting] : waiting_) {
    if (waiting.placed != waiting.landed) {
      throw Error(Code::bad_request, "the layout changed while gradients were landing");
    }
  }
  waiting_.clear();
  added_ = 0;
  bytes_ = 0;
}

}  // namespace cardswap
