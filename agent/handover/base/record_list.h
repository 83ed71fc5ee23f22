#pragma once

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/signal.h"
#include "agent/base/units.h"
#include "agent/handover/base/retention.h"
#include "agent/journal/journal.h"

namespace cardswap {

/// Keeps the records of one side of a handover, in memory and in the journal: those of running
/// handovers, and for a while those of ended ones.
///
/// Ended records are forgotten by count and age (retention.h), here and in the journal. A record
/// stays while it is needed or in use, and while a coroutine waits for its next change; until then
/// its address is stable. `Traits` tells the list what it must know of an item: kKind, kName,
/// id_of(), instances_of(), is_needed(), ended_at_ms() and maker_of(). One thread.
template <class Item, class Traits>
class RecordList {
 public:
  /// What the list asks those around it, and tells them.
  struct Callbacks {
    std::function<bool(const Item&)> is_in_use;
    std::function<void(const Item&)> forgetting;  ///< one that is over, before it is forgotten
  };
  RecordList(const RecordList&) = delete;
  RecordList& operator=(const RecordList&) = delete;

  [[nodiscard]] bool has(const std::string& id) const { return by_id_.contains(id); }
  [[nodiscard]] const std::list<Item>& all() const { return items_; }
  [[nodiscard]] std::list<Item>& all() { return items_; }
  /// Something of it has changed: whoever waits for that looks again.
  void touch(Item& item) {
    ++item.record_.version;
    changed(item).notify();
  }
  /// Notified of each change of `item`, which is of the list.
  [[nodiscard]] Signal& changed(const Item& item) { return changed_.at(&item); }

  void forget_old();

 protected:
  RecordList(Journal& journal, Callbacks callbacks)
      : journal_(journal), callbacks_(std::move(callbacks)) {}
  ~RecordList() = default;

  /// Hands each record that a former agent left to `take`.
  template <class Take>
  void load_each(Take take) {
    journal_.each(Traits::kKind, std::move(take));
  }
  void put(const std::string& id, const boost::json::object& record) {
    journal_.put(Traits::kKind, id, record);
  }

  /// Adds it in memory.
  Item& insert(Item made);
  /// Forgets one of which nothing is on disk.
  void drop(const Item& item) {
    drop_from_indices(item);
    changed_.erase(&item);
    items_.remove_if([&](const Item& one) { return &one == &item; });
  }
  /// Changes what instances_of() says of it.
  template <class Change>
  void reindex(Item& item, Change change) {
    drop_from_indices(item);
    change();
    add_to_indices(item);
  }

  /// The one of that id; or null.
  [[nodiscard]] Item* find_by_id(const std::string& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  /// The first item of a process here; or null.
  [[nodiscard]] Item* first_of(const std::string& instance) const {
    const auto found = by_instance_.lower_bound(instance);
    return found == by_instance_.end() || found->first != instance ? nullptr : found->second;
  }
  /// The items of a process here, in the order in which they were made.
  [[nodiscard]] std::vector<Item*> those_of(const std::string& instance) const {
    std::vector<Item*> found;
    const auto [first, last] = by_instance_.equal_range(instance);
    for (auto entry = first; entry != last; ++entry) found.push_back(entry->second);
    return found;
  }

 private:
  void add_to_indices(Item& item);
  void drop_from_indices(const Item& item);

  Journal& journal_;
  Callbacks callbacks_;
  std::list<Item> items_;  // addresses are stable until forgotten
  std::unordered_map<const Item*, Signal> changed_;
  // What is asked at each event and each look, of thousands: found, not searched for.
  std::unordered_map<std::string, Item*> by_id_;
  std::multimap<std::string, Item*> by_instance_;
};

template <class Item, class Traits>
Item& RecordList<Item, Traits>::insert(Item made) {
  auto& item = items_.emplace_back(std::move(made));
  add_to_indices(item);
  changed_.try_emplace(&item);
  return item;
}

template <class Item, class Traits>
void RecordList<Item, Traits>::add_to_indices(Item& item) {
  by_id_.emplace(Traits::id_of(item), &item);
  for (const auto& instance : Traits::instances_of(item)) by_instance_.emplace(instance, &item);
}

template <class Item, class Traits>
void RecordList<Item, Traits>::drop_from_indices(const Item& item) {
  const auto found = by_id_.find(Traits::id_of(item));
  if (found != by_id_.end() && found->second == &item) by_id_.erase(found);
  for (const auto& instance : Traits::instances_of(item)) {
    const auto [first, last] = by_instance_.equal_range(instance);
    const auto its =
        std::find_if(first, last, [&](const auto& entry) { return entry.second == &item; });
    if (its != last) by_instance_.erase(its);
  }
}

template <class Item, class Traits>
void RecordList<Item, Traits>::forget_old() {
  std::vector<std::int64_t> ended;
  std::vector<std::string_view> makers;
  for (const auto& item : items_) {
    const bool stays =
        Traits::is_needed(item) || callbacks_.is_in_use(item) || changed_.at(&item).has_waiters();
    ended.push_back(stays ? 0 : Traits::ended_at_ms(item));
    makers.push_back(Traits::maker_of(item));
  }
  std::size_t place = 0;
  auto item = items_.begin();
  for (const auto forgotten : to_forget(ended, makers, unix_ms())) {
    std::advance(item, forgotten - place);
    try {
      journal_.remove(Traits::kKind, Traits::id_of(*item));
    } catch (const Error& disk) {
      spdlog::warn("{} {} is not forgotten yet: {}", Traits::kName, Traits::id_of(*item),
                   disk.what());
      return;
    }
    callbacks_.forgetting(*item);
    drop_from_indices(*item);
    changed_.erase(&*item);
    item = items_.erase(item);
    place = forgotten + 1;
  }
}

}  // namespace cardswap
