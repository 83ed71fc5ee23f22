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
/// stays while it is needed or in use, and while a coroutine waits for its next change. Its address
/// is stable until it is forgotten. `Traits` describes an item to the list: kKind, kName, id_of(),
/// instances_of(), is_needed(), ended_at_ms() and maker_of(). One thread.
template <class Item, class Traits>
class RecordList {
 public:
  /// Functions of the list's owner that the list calls. Both must be set.
  struct Callbacks {
    std::function<bool(const Item&)> is_in_use;
    std::function<void(const Item&)> forgetting;  ///< called before an ended item is forgotten
  };
  RecordList(const RecordList&) = delete;
  RecordList& operator=(const RecordList&) = delete;

  [[nodiscard]] bool has(const std::string& id) const { return by_id_.contains(id); }
  [[nodiscard]] const std::list<Item>& all() const { return items_; }
  /// All items, in the order in which they were made, for callers that change them.
  [[nodiscard]] std::vector<Item*> items() {
    std::vector<Item*> all;
    all.reserve(items_.size());
    for (auto& item : items_) all.push_back(&item);
    return all;
  }
  /// Says that `item` has changed: raises its record's `version`, on which long polls of the API
  /// and of other agents wait, and notifies changed(). Writes nothing to disk.
  void touch(Item& item) {
    ++changes_;
    ++item.record_.version;
    changed(item).notify();
  }
  /// How often touch() was called: who has looked at all items need not look again before this
  /// has changed.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  /// Notified of each change of `item`, which must be of this list.
  [[nodiscard]] Signal& changed(const Item& item) { return changed_.at(&item); }

  /// Forgets ended records that are too old or too many, in the journal and here. If the disk
  /// refuses, it stops, and the log says so.
  void forget_old();

 protected:
  RecordList(Journal& journal, Callbacks callbacks)
      : journal_(journal), callbacks_(std::move(callbacks)) {}
  ~RecordList() = default;

  /// Calls `take` with each record that a former agent left in the journal. A record on which it
  /// throws is set aside (Journal::each()).
  template <class Take>
  void load_each(Take take) {
    journal_.each(Traits::kKind, std::move(take));
  }
  /// Writes `record` to the journal. Throws Error{io}, or Error{corrupt} for a damaged journal.
  void put(const std::string& id, const boost::json::object& record) {
    journal_.put(Traits::kKind, id, record);
  }

  /// Adds an item in memory only.
  Item& insert(Item made);
  /// Forgets an item that was never written to disk. `forgetting` is not called.
  void drop(const Item& item) {
    drop_from_indices(item);
    changed_.erase(&item);
    items_.remove_if([&](const Item& one) { return &one == &item; });
  }
  /// Runs `change`, which may change what Traits::instances_of() returns for `item`.
  template <class Change>
  void reindex(Item& item, Change change) {
    drop_from_indices(item);
    change();
    add_to_indices(item);
  }

  /// The item of that id. Null: there is none.
  [[nodiscard]] Item* find_by_id(const std::string& id) { return known_as(id); }
  [[nodiscard]] const Item* find_by_id(const std::string& id) const { return known_as(id); }
  /// The first item of a process here. Null: there is none.
  [[nodiscard]] Item* first_of(const std::string& instance) { return first_by(instance); }
  [[nodiscard]] const Item* first_of(const std::string& instance) const {
    return first_by(instance);
  }
  /// The items of a process here, in the order in which they were made.
  [[nodiscard]] std::vector<Item*> items_of(const std::string& instance) {
    return all_by<Item>(instance);
  }
  [[nodiscard]] std::vector<const Item*> items_of(const std::string& instance) const {
    return all_by<const Item>(instance);
  }

 private:
  [[nodiscard]] Item* known_as(const std::string& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  [[nodiscard]] Item* first_by(const std::string& instance) const {
    const auto found = by_instance_.lower_bound(instance);
    return found == by_instance_.end() || found->first != instance ? nullptr : found->second;
  }
  template <class Of>
  [[nodiscard]] std::vector<Of*> all_by(const std::string& instance) const {
    std::vector<Of*> found;
    const auto [first, last] = by_instance_.equal_range(instance);
    for (auto entry = first; entry != last; ++entry) found.push_back(entry->second);
    return found;
  }
  void add_to_indices(Item& item);
  void drop_from_indices(const Item& item);

  Journal& journal_;
  Callbacks callbacks_;
  std::uint64_t changes_ = 0;
  std::list<Item> items_;  // addresses are stable until forgotten
  std::unordered_map<const Item*, Signal> changed_;
  // Indices: each event looks an item up, and there may be thousands.
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
