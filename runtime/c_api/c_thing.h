#pragma once

#include <cardswap/c.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cardswap/tracking.h"
#include "migrator/base/mutex.h"

namespace cardswap::c_api {
class Thing;

/// Collects the tokens that the program uses no more until the training thread gives them back. The
/// program's callbacks run on that thread alone, but what held a token may end on any thread.
class Releases {
 public:
  /// Takes a token; any thread.
  void add(const Thing& thing, std::uint64_t token);
  /// Calls the things' release(). Training thread.
  void hand_back();

 private:
  Mutex mutex_;
  std::vector<std::pair<const Thing*, std::uint64_t>> waiting_ CARDSWAP_GUARDED_BY(mutex_);
};

/// A thing of a program in another language, by its callbacks. Owned by the session's tracker.
class Thing final : public TrackedState, public ReplayableOptimizer {
 public:
  Thing(const cardswap_callbacks& callbacks, void* self, std::string kind, std::string type,
        std::shared_ptr<Releases> releases);
  ~Thing() override;
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;

  void regions(std::vector<TrackedRegion>& out) override;
  void adopt(const std::vector<std::string>& names) override;
  [[nodiscard]] std::vector<std::byte> save() override;
  void load(std::span<const std::byte> bytes) override;
  [[nodiscard]] bool loads_last() const override;
  [[nodiscard]] ReplayableOptimizer* replayable() override;
  void look(std::vector<TrackedObstacle>& obstacles) override;
  [[nodiscard]] std::string kind() const override { return kind_; }

  [[nodiscard]] bool is(const void* optimizer) const override { return optimizer == this; }
  [[nodiscard]] std::vector<std::vector<const void*>> rewritten() override;
  /// What rewritten() had last, which a migration asks as it begins: the program is not called at
  /// each step, and updates are numbered as the migration's layout is.
  [[nodiscard]] std::size_t parameter_count() override;
  [[nodiscard]] TrackedUpdate capture() override;
  void replay(const TrackedUpdate& update) override;

  /// What it steps.
  [[nodiscard]] SteppedOptimizer stepped() const;
  void release(std::uint64_t token) const;
  /// Has a region's storage live at `home`, if the program wants that.
  void relocate(const void* storage, std::span<std::byte> home, std::shared_ptr<void> keep) const;

 private:
  void call(int (*callback)(void*, cardswap_out*), cardswap_out& out) const;

  cardswap_callbacks callbacks_{};
  void* const self_;
  const std::string kind_;
  const std::string type_;
  const std::shared_ptr<Releases> releases_;
  std::optional<std::size_t> parameter_count_;  // as of the last rewritten()
};

/// A hold for the program, and its end.
[[nodiscard]] cardswap_home* hold(std::shared_ptr<void> keep);
void let_go(cardswap_home* keep);

/// Leaves the running callback's word for the call that made it.
void say_why(const char* why);

}  // namespace cardswap::c_api
