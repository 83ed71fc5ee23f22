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

/// Collects the tokens whose memory is no longer used, until the training thread releases them. The
/// program's callbacks run on that thread only, but the memory may become unused on any thread.
class Releases {
 public:
  /// Adds a token that is to be released. Any thread.
  void add(const Thing& thing, std::uint64_t token);
  /// Calls the things' release() for all tokens. Training thread.
  void hand_back();

 private:
  Mutex mutex_;
  std::vector<std::pair<const Thing*, std::uint64_t>> waiting_ CARDSWAP_GUARDED_BY(mutex_);
};

/// A tracked thing of a program in another language, which is called through its callbacks. Owned
/// by the session's tracker; the destructor calls forget(). A callback that fails throws
/// Error{refused} with the text of cardswap_fail().
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
  /// The size of the latest rewritten(), which is called when a migration begins: the program is
  /// not called at each step, and updates are numbered as in the migration's layout.
  [[nodiscard]] std::size_t parameter_count() override;
  [[nodiscard]] TrackedUpdate capture() override;
  void replay(const TrackedUpdate& update) override;

  /// The parameters that it steps, by its parameters() callback. Throws as above.
  [[nodiscard]] SteppedOptimizer stepped() const;
  /// Calls the release() callback.
  void release(std::uint64_t token) const;
  /// Asks the program to move a region's storage to `home`; the program may decline.
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

/// Wraps `keep` for the program, which gives it back through let_go().
[[nodiscard]] cardswap_keep* wrap_keep(std::shared_ptr<void> keep);
/// Drops what wrap_keep() returned. Any thread. Null: does nothing. In a forked process nothing is
/// freed.
void let_go(cardswap_keep* keep);

/// Stores the reason of the callback that is about to fail, on this thread. Null: no reason is
/// given.
void set_failure(const char* why);
/// Throws Error{refused} with the reason that was set on this thread, and forgets it.
[[noreturn]] void throw_callback_failure();

}  // namespace cardswap::c_api
