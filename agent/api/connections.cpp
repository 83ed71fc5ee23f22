#include "agent/api/connections.h"

namespace cardswap {

std::unique_ptr<Connections::Slot> Connections::enter(const std::string& address,
                                                      std::function<void()> drop) {
  if (count_ >= limits_.connections) {
    Entry* victim = nullptr;
    for (auto& entry : entries_) {
      if (!entry.waiting || entry.dropped) continue;
      const bool sooner = victim == nullptr ||
                          (victim->was_among_agents && !entry.was_among_agents) ||
                          (victim->was_among_agents == entry.was_among_agents &&
                           held_[entry.address] > held_[victim->address]);
      if (sooner) victim = &entry;
    }
    if (victim == nullptr) return nullptr;
    leave(*victim);
    victim->drop();
  }
  ++count_;
  ++held_[address];
  const auto entry = entries_.insert(entries_.end(), Entry{address, std::move(drop)});
  return std::make_unique<Slot>(*this, entry);
}

void Connections::leave(Entry& entry) {
  if (entry.dropped) return;
  entry.dropped = true;
  --count_;
  const auto held = held_.find(entry.address);
  if (--held->second == 0) held_.erase(held);
}

void Connections::end_call(Entry& entry) {
  if (!entry.caller.empty()) {
    const auto own = calls_of_.find(entry.caller);
    if (--own->second == 0) calls_of_.erase(own);
    entry.caller.clear();
  }
  if (!entry.counted_call) return;
  entry.counted_call = false;
  --calls_;
}

Connections::Slot::~Slot() {
  all_.end_call(*entry_);
  all_.leave(*entry_);
  all_.entries_.erase(entry_);
}

void Connections::Slot::start_waiting() {
  all_.end_call(*entry_);
  entry_->waiting = true;
  all_.entries_.splice(all_.entries_.end(), all_.entries_, entry_);
}

Connections::Room Connections::Slot::begin_call(const CallerQuota& by) {
  const auto& limits = all_.limits_;
  entry_->waiting = false;
  entry_->was_among_agents = by.among_agents;
  if (!by.caller.empty()) {
    const auto own = all_.calls_of_.find(by.caller);
    const auto most = by.is_agent ? limits.of_an_agent : limits.of_a_caller;
    if (own != all_.calls_of_.end() && own->second >= most) return Room::full_for_caller;
  }
  const auto room = limits.calls + (by.has_room ? limits.kept : 0);
  if (!by.among_agents && all_.calls_ >= room) return Room::full;
  if (!by.caller.empty()) ++all_.calls_of_[by.caller];
  entry_->caller = by.caller;
  if (by.among_agents) return Room::given;
  ++all_.calls_;
  entry_->counted_call = true;
  return Room::given;
}

}  // namespace cardswap
