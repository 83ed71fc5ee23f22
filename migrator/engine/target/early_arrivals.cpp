#include "migrator/engine/target/early_arrivals.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// More parameters than a layout may have regions.
constexpr std::size_t kArrivalsMax = data::kRegionsMax;

/// Of a positive float.
bool is_factor(const Factor& factor) {
  return factor.kind == FactorKind::none ||
         (factor.value > 0 && std::isfinite(static_cast<float>(factor.value)) &&
          static_cast<double>(static_cast<float>(factor.value)) == factor.value);
}

}  // namespace

auto& EarlyArrivals::at(auto& arrivals, std::uint64_t number) {
  const auto found = arrivals.find(number);
  if (found == arrivals.end()) {
    throw Error(Code::bad_request, "an early gradient that was not announced");
  }
  return found->second;
}

void EarlyArrivals::check(const data::EarlyGradient& gradient) const {
  if (gradient.number != added_ + 1) {
    throw Error(Code::bad_request, "an early gradient came out of order");
  }
  if (gradient.bytes == 0 || arrivals_.size() >= kArrivalsMax) {
    throw Error(Code::bad_request, "an early gradient of no bytes, or too many of them");
  }
}

void EarlyArrivals::add(const data::EarlyGradient& gradient, Buffer memory) {
  ArrivalMode arrival;
  arrival.parameter = static_cast<ParameterId>(gradient.parameter);
  arrival.memory = std::move(memory);
  arrival.expected = gradient.bytes;
  arrivals_.emplace(++added_, std::move(arrival));
  bytes_ += gradient.bytes;
}

void EarlyArrivals::forget(std::uint64_t number) {
  const auto found = arrivals_.find(number);
  bytes_ -= found->second.memory.bytes.size();
  arrivals_.erase(found);
}

void EarlyArrivals::drop(const data::EarlyDropped& dropped) {
  auto& arrival = at(arrivals_, dropped.number);
  if (arrival.claimed || arrival.dropped || dropped.bytes > arrival.expected ||
      dropped.bytes < arrival.placed.total()) {
    throw Error(Code::bad_request, "an early gradient was dropped that had gone another way");
  }
  arrival.dropped = true;
  arrival.expected = dropped.bytes;
  if (arrival.landed == arrival.expected) forget(dropped.number);
}

void EarlyArrivals::check_claim(const data::Update::GradientSize& claimed) const {
  const auto& arrival = at(arrivals_, claimed.early);
  if (arrival.claimed || arrival.dropped || arrival.expected != claimed.bytes ||
      arrival.parameter != static_cast<ParameterId>(claimed.parameter) ||
      !is_factor(claimed.factor)) {
    throw Error(Code::bad_request, "an update refers to an early gradient that it cannot have");
  }
}

void EarlyArrivals::claim(std::uint64_t number) { at(arrivals_, number).claimed = true; }

MemoryRange EarlyArrivals::reserve(const data::EarlyHeader& header, std::size_t bytes) {
  auto& arrival = at(arrivals_, header.number);
  const auto& memory = arrival.memory.bytes;
  if (header.offset > memory.size() || bytes > memory.size() - header.offset ||
      bytes > arrival.expected - arrival.placed.total() ||
      !arrival.placed.place(header.offset, bytes)) {
    throw Error(Code::bad_request, "a piece that its early gradient does not have, or had before");
  }
  return {arrival.memory.device, memory.subspan(header.offset, bytes)};
}

void EarlyArrivals::on_received(const data::EarlyHeader& header, std::size_t bytes) {
  auto& arrival = at(arrivals_, header.number);
  arrival.landed += bytes;
  if (arrival.dropped && arrival.landed == arrival.expected) forget(header.number);
}

bool EarlyArrivals::is_whole(std::uint64_t number) const {
  const auto& arrival = at(arrivals_, number);
  return arrival.claimed && arrival.landed == arrival.expected;
}

Buffer EarlyArrivals::take(std::uint64_t number) {
  auto memory = at(arrivals_, number).memory;
  forget(number);
  return memory;
}

bool EarlyArrivals::is_landing() const {
  return std::ranges::any_of(
      arrivals_, [](const auto& one) { return one.second.placed.total() != one.second.landed; });
}

void EarlyArrivals::clear() {
  arrivals_.clear();
  added_ = 0;
  bytes_ = 0;
}

}  // namespace cardswap
