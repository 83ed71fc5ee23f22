#include "cardswap/session.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/base/environment.h"
#include "migrator/base/error.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/replay_sizes.h"
#include "runtime/agent_channel.h"
#include "runtime/arena_relocator.h"
#include "runtime/framework.h"
#include "runtime/process_hello.h"
#include "runtime/roles/trainer_role.h"
#include "runtime/session/inventory.h"
#include "runtime/session/list_requests.h"
#include "runtime/session/plain_states.h"
#include "runtime/session/rank_report.h"
#include "runtime/session/session_claim.h"
#include "runtime/session/state_pages.h"
#include "runtime/step_gate.h"
#include "runtime/step_hook.h"
#include "runtime/tracker.h"

namespace cardswap {

/// Connects tracker, gate, roles and channel. The channel is declared last, because its thread
/// calls the others and must end first.
class Session::Impl {
 public:
  /// `framework` is its name and version, "libtorch 2.11.0", or "none".
  Impl(std::string framework, std::uint32_t rank, std::uint32_t ranks)
      : framework_(std::move(framework)),
        ranks_(rank, ranks),
        gate_({[this] { on_boundary(); }, [this] { trainer_role_.on_parked(); },
               [this] { trainer_role_.on_resume(); }, [this] { trainer_role_.on_begin(); },
               [this] { trainer_role_.on_held(); }, [this] { trainer_role_.on_let_go(); }},
              &end_moved_process),
        trainer_role_(gate_, tracker_, relocator_,
                      {[this](const channel::Message& message) { send(message); },
                       [this] { return channel_->inode(); },
                       [this](const channel::Arrived& here) { redirect(here); },
                       [this](ArrivalMode arrive) { return obstacle(arrive); },
                       [this] { return not_rehearsed(); }}) {
    trainer_role_.set_ranks(ranks);
    const auto socket = environment::value_of(environment::kSocket);
    if (socket.empty()) return;
    job_ = environment::value_of(environment::kJob);
    token_ = environment::value_of(environment::kToken);
    const bool standby = environment::value_of(environment::kRole) == environment::kStandby;
    role_ = standby ? channel::Role::standby : channel::Role::primary;
    channel_.emplace(socket,
                     AgentChannel::Callbacks{[this] { return hello(); },
                                             [this](const channel::Message& m) { handle(m); },
                                             [this] { tick(); }});
    const auto& welcome = channel_->welcome();
    trainer_role_.set_epoch(welcome.epoch);
    trainer_role_.set_hold(welcome);
    trainer_role_.set_job(job_, framework_);
    if (!welcome.granted) trainer_role_.enter_standby(welcome);
    gate_.watch_once();  // the first boundary reports what is tracked
    channel_->start();
  }

  ~Impl() {
    if (!channel_) return;
    trainer_role_.stop();
    channel_->send(channel::Ended{gate_.step(), moved_});
    channel_->close();  // first: its thread sends through channel_
    channel_.reset();
  }

  /// A forked process has a copy of this object, and none of its threads.
  [[nodiscard]] bool is_in_a_fork() const { return ::getpid() != pid_; }

  void before_step(const void* optimizer, Describe describe) {
    end_a_fork();
    gate_.wait_if_retired();
    if (channel_ && describe != nullptr) note_step(optimizer, describe);
    if (gate_.has_attention()) trainer_role_.before_step(optimizer);
  }

  void add_hook(std::string_view name, std::function<void()> hook,
                std::vector<std::string> rewrites) {
    for (const auto& thing : rewrites) (void)tracker_.storages_of(thing);
    auto added =
        std::make_unique<StepHook>(std::move(hook), [this, rewrites = std::move(rewrites)] {
          std::vector<const void*> storages;
          for (const auto& thing : rewrites) {
            const auto more = tracker_.storages_of(thing);
            storages.insert(storages.end(), more.begin(), more.end());
          }
          return storages;
        });
    const auto* known = added.get();
    tracker_.add(name, std::move(added));  // if it throws, the hook is not kept
    hooks_.push_back(known);
  }

  void call_hooks() {
    for (const auto* hook : hooks_) {
      before_step(hook, nullptr);
      hook->call();
    }
  }

  StepResult boundary() {
    end_a_fork();
    const auto result = gate_.boundary();
    if (result == StepResult::moved) moved_ = true;
    return result;
  }

  void track(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing,
             std::string type) {
    tracker_.add(name, std::move(state), thing, std::move(type));
    if (channel_ && gate_.step() != 0) request_inventory();  // it is late: the agent must know
  }

  void do_not_rehearse(std::string_view why) {
    const MutexLock lock(mutex_);
    not_rehearsed_ = why.empty() ? "its program says so" : why;
  }

  void set_ranks(std::uint32_t rank, std::uint32_t ranks, std::unique_ptr<Communicators> how) {
    if (how) trainer_role_.set_communicators(std::move(how));
    trainer_role_.set_ranks(ranks);
    if (const auto place = ranks_.set(rank, ranks)) send(*place);
  }
  void tell_agents(std::vector<std::string> agents) { send(ranks_.set_agents(std::move(agents))); }
  /// Empty without an agent.
  [[nodiscard]] const channel::Welcome& welcome() const {
    static const channel::Welcome none;
    return channel_ ? channel_->welcome() : none;
  }

  TrainerRole& trainer_role() { return trainer_role_; }
  Tracker& tracker() { return tracker_; }
  ArenaRelocator& relocator() { return relocator_; }
  [[nodiscard]] bool is_standby() const { return trainer_role_.holds_effects_back(); }
  [[nodiscard]] std::uint64_t steps() const { return gate_.step(); }
  [[nodiscard]] bool has_attention() const { return gate_.has_attention(); }

 private:
  void send(const channel::Message& message) {
    if (channel_) channel_->send(message);
  }

  void end_a_fork() const {
    if (!channel_ || !is_in_a_fork()) return;
    end_forked_process(pid_, job_);
  }

  void note_step(const void* optimizer, Describe describe) {
    if (inventory_.before_step(optimizer, describe, gate_.step() + 1)) request_inventory();
    if (!trainer_role_.wants_gradients()) return;
    try {
      std::vector<const void*> tensors;
      for (const auto& parameter : describe(optimizer).parameters)
        tensors.push_back(parameter.tensor);
      std::ranges::sort(tensors);
      tracker_.before_step(optimizer, tensors);
    } catch (...) {  // it ends the migration, not the loop
      trainer_role_.fail(error_of(std::current_exception()));
    }
  }

  channel::Hello hello() {
    report_tracked_ = true;  // an agent that was away may not have it
    const auto role =
        trainer_role_.is_standby() || trainer_role_.epoch() == 0 ? role_ : channel::Role::primary;
    auto hello = hello_of_process(job_, token_, role, framework_);
    trainer_role_.describe(hello);
    ranks_.describe(hello);
    return hello;
  }

  void handle(const channel::Message& message) {
    const auto* list = std::get_if<channel::ListState>(&message);
    if (list != nullptr) return want_list(list->request);
    trainer_role_.handle(message);
  }

  void want_list(std::uint64_t request) {
    if (const auto none = lists_.add(request, gate_.step())) return channel_->send(*none);
    gate_.watch_once();
  }

  /// Makes the next boundary check again what is tracked.
  void request_inventory() {
    inventory_due_ = true;
    gate_.watch_once();
  }

  void on_boundary() {
    if (std::exchange(inventory_due_, false)) announce();
    for (const auto request : lists_.take()) report_state(request);
    trainer_role_.on_boundary();
  }

  void announce() { announce(inventory_.obstacles(gate_.step())); }
  /// Reports what is tracked and what prevents a migration; never throws.
  void announce(std::vector<channel::Obstacle> in_the_way) {
    channel::Tracked tracked;
    tracked.obstacles = std::move(in_the_way);
    try {
      const auto layout = tracker_.state_view().layout;
      const auto sizes = replay_sizes(tracker_.shards(), layout);
      tracked.state_bytes = layout.total_bytes();
      tracked.regions = static_cast<std::uint32_t>(layout.regions().size());
      tracked.layout = layout.digest();
      tracked.replayed_bytes = sizes.replayed_bytes;
      tracked.update_bytes = sizes.update_bytes;
      tracked.relocatable_bytes = relocator_.relocatable_bytes();
    } catch (const std::exception&) {
      // It is among the obstacles.
    }
    {
      const MutexLock lock(mutex_);
      tracked_ = tracked;
    }
    channel_->send(tracked);
  }

  std::optional<Error> obstacle(ArrivalMode arrive) {
    announce();
    const MutexLock lock(mutex_);
    for (const auto& one : tracked_->obstacles) {
      if (one.always || arrive == ArrivalMode::standby) {
        return Error(Code::refused, one.what, one.hint);
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> not_rehearsed() {
    const MutexLock lock(mutex_);
    return not_rehearsed_;
  }

  void report_state(std::uint64_t request) {
    auto in_the_way = inventory_.obstacles(gate_.step());
    for (const auto& page : state_pages(request, gate_.step(), inventory_.list(in_the_way)))
      channel_->send(page);
    announce(std::move(in_the_way));
  }

  /// On the channel's thread.
  void redirect(const channel::Arrived& here) {
    token_ = here.token;
    job_ = here.job;
    role_ = channel::Role::standby;
    arrived_at_ = gate_.step();
    channel_->redirect(here.socket);
  }

  void tick() {
    if (trainer_role_.is_departed()) return;
    const auto step = gate_.step();
    trainer_role_.resend_pending();
    trainer_role_.report_lateness();
    // The agent here does not know the obstacles yet. Not sooner: the first step waits for a disk.
    if (arrived_at_ && step > *arrived_at_ + 1) {
      arrived_at_.reset();
      report_tracked_ = true;
    }
    if (std::exchange(report_tracked_, false)) {
      const MutexLock lock(mutex_);
      if (tracked_) channel_->send(*tracked_);
      if (const auto place = ranks_.again()) channel_->send(*place);
    }
    if (trainer_role_.is_standby() || step == std::exchange(last_reported_step_, step)) return;
    channel_->send(channel::Stepped{step, gate_.median_step_ms()});
  }

  const SessionClaim one_;
  const pid_t pid_ = ::getpid();
  const std::string framework_;
  RankReport ranks_;
  ListRequests lists_;
  std::string job_;
  std::string token_;
  channel::Role role_ = channel::Role::primary;
  bool inventory_due_ = true;  // training thread
  // the channel's thread, after the first Hello
  bool report_tracked_ = false;
  // The step at which CRIU has brought this process here, until Tracked is reported.
  std::optional<std::uint64_t> arrived_at_;
  Mutex mutex_;
  /// The latest report.
  std::optional<channel::Tracked> tracked_ CARDSWAP_GUARDED_BY(mutex_);
  std::optional<std::string> not_rehearsed_ CARDSWAP_GUARDED_BY(mutex_);  // why; nullopt: it may be
  bool moved_ = false;
  std::uint64_t last_reported_step_ = 0;
  Tracker tracker_;
  ArenaRelocator relocator_{tracker_};
  Inventory inventory_{tracker_};
  std::vector<const StepHook*> hooks_;  // owned by the tracker
  StepGate gate_;
  TrainerRole trainer_role_;
  std::optional<AgentChannel> channel_;
};

void Session::Close::operator()(Impl* impl) const noexcept {
  // The copy in a forked process is not deleted: the threads and the connection are its parent's.
  if (!impl->is_in_a_fork()) delete impl;
}

Session::Session(std::unique_ptr<Impl, Close> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::open() {
  return open_for(detail::framework != nullptr ? detail::framework() : "");
}

Session Session::open_for(std::string framework, std::uint32_t rank, std::uint32_t ranks) {
  if (framework.empty()) framework = "none";
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory)
  return Session(std::unique_ptr<Impl, Close>(new Impl(std::move(framework), rank, ranks)));
}

void Session::set_ranks(std::uint32_t rank, std::uint32_t ranks,
                        std::unique_ptr<Communicators> how) {
  impl_->set_ranks(rank, ranks, std::move(how));
}
void Session::tell_agents(std::vector<std::string> agents) {
  impl_->tell_agents(std::move(agents));
}
bool Session::is_given_up(std::uint64_t epoch) const noexcept {
  return impl_->trainer_role().is_given_up(epoch);
}
const std::string& Session::agent_address() const noexcept {
  return impl_->welcome().agent_address;
}
RankInGang Session::place_in_gang() const noexcept {
  const auto& gang = impl_->welcome().gang;
  return gang.gang.empty() ? RankInGang{} : RankInGang{gang.rank, gang.ranks};
}

void Session::track(std::string_view name, std::function<std::vector<std::byte>()> save,
                    std::function<void(std::span<const std::byte>)> load) {
  track_state(name, std::make_unique<CallbackState>(std::move(save), std::move(load)));
}

void Session::track_memory(std::string_view name, std::span<std::byte> memory) {
  track_state(name, std::make_unique<MemoryState>(memory));
}

void Session::track_state(std::string_view name, std::unique_ptr<TrackedState> state) {
  impl_->track(name, std::move(state), nullptr, {});
}

void Session::track_thing(std::string_view name, std::unique_ptr<TrackedState> state,
                          const void* thing, const char* type) {
  impl_->track(name, std::move(state), thing, type);
}

void Session::track_parts_of(const void* thing, const std::vector<std::string>& names) {
  impl_->tracker().add_parts(thing, names);
}

std::span<std::byte> Session::allocate(std::string_view name, std::size_t bytes) {
  auto block = impl_->relocator().arena().allocate(bytes);
  const auto memory = *block;
  if (!memory.empty()) std::memset(memory.data(), 0, memory.size());
  track_state(name, std::make_unique<ArenaState>(std::move(block)));
  return memory;
}

void Session::after_step(std::string_view name, std::function<void()> hook,
                         std::vector<std::string> rewrites) {
  impl_->add_hook(name, std::move(hook), std::move(rewrites));
}

bool Session::note(std::string_view name, double value) {
  return impl_->trainer_role().note(std::string(name), value);
}

void Session::do_not_rehearse(std::string_view why) { impl_->do_not_rehearse(why); }

void Session::call_hooks() { impl_->call_hooks(); }
void Session::before_step(const void* optimizer, Describe describe) {
  impl_->before_step(optimizer, describe);
}
bool Session::has_attention() const noexcept { return impl_->has_attention(); }
StepResult Session::step_boundary() { return impl_->boundary(); }
bool Session::is_standby() const noexcept { return impl_->is_standby(); }
std::uint64_t Session::steps() const noexcept { return impl_->steps(); }
std::string Session::state_digest() { return to_string(impl_->tracker().digest()); }

}  // namespace cardswap
