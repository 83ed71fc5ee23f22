#pragma once

#include <cardswap/error.h>  // IWYU pragma: export
#include <cardswap/tracking.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

/// Cardswap's API for training programs; only the standard library. LibTorch's part is
/// <cardswap/torch.h>.
namespace cardswap {

/// What a step boundary says: go on with the loop, or leave it because the job goes on elsewhere.
/// `migrated` is said once. A program that does not leave its loop then takes no further step: its
/// next step or boundary, on any thread, does not return (Session::step).
enum class [[nodiscard]] StepResult : std::uint8_t{proceed, migrated};

/// A job's connection to Cardswap: it knows the job's state, and where a step ends.
///
/// Without an agent's environment (CARDSWAP_SOCKET) every call is inert. open() and track() throw
/// std::exceptions, most of them an Error, that say what is wrong with the set-up; after them
/// nothing is thrown into the loop: a failed migration is the agent's news. One session a process,
/// used by the thread that runs the training loop, which must be the main thread in a standby.
///
/// A process that is not the job takes no step as the job. Once the job has moved, step() and
/// step_boundary() do not return: the agent ends the process. If it does not, the process ends
/// itself a minute after the move, with a line on stderr and status 75. A process forked from the
/// trainer ends so at once.
class Session {
 public:
  /// Throws Error: there is a session in this process already, the agent is not there, or refuses.
  [[nodiscard]] static Session open();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Tracks `thing` by reference: it must outlive the session. Names are unique. Throws Error for a
  /// name that is taken, and std::invalid_argument, which names it, for what cannot be tracked.
  /// Everything is tracked before the first boundary: what comes later is not in a standby, and the
  /// job is not moved to one.
  template <class T>
  void track(std::string_view name, T& thing) {
    track_thing(name, Trackable<T>::make(thing), std::addressof(thing), typeid(thing).name());
  }
  /// Tracks what `save` returns, such as a cursor, and `load` takes back. Both are called on the
  /// thread that calls boundaries, while it stands at one: in a standby `save` follows `load`, and
  /// has to return what was loaded. What either throws is the migration's failure. Names and errors
  /// as above.
  void track(std::string_view name, std::function<std::vector<std::byte>()> save,
             std::function<void(std::span<const std::byte>)> load);
  /// Tracks memory of this host, which must stay where it is until the session ends. It is read
  /// while the program writes to it; what it holds at a boundary is what a standby has, which
  /// tracks as many bytes under that name. Names and errors as above.
  void track_memory(std::string_view name, std::span<std::byte> memory);
  /// Tracks what an adapter describes (cardswap/tracking.h); the session owns it from now on. Names
  /// and errors as above.
  void track_state(std::string_view name, std::unique_ptr<TrackedState> state);
  /// Says that what `thing` keeps, an optimizer that step() steps, is tracked under these names, in
  /// parts. Throws Error for a name that is not tracked.
  template <class T>
  void track_parts(const T& thing, const std::vector<std::string>& names) {
    track_parts_of(std::addressof(thing), names);
  }
  /// Zeroed memory that is tracked, and can be sent ahead when the process itself is moved. Valid
  /// until the session ends.
  [[nodiscard]] std::span<std::byte> allocate(std::string_view name, std::size_t bytes);

  /// Says why no other process can take a step of this program as this one does, such as "it reads
  /// from a queue": its steps are not rehearsed. Before the first boundary.
  void do_not_rehearse(std::string_view why);

  /// Adds what the program does to tracked state after each step besides the optimizer, such as an
  /// average of the weights: step() calls `hook` after the optimizers, and a standby calls it after
  /// each update that it replays. It must compute from tracked state alone. `rewrites` names the
  /// tracked things that it changes and nothing else does. Call it after everything that it reads
  /// or rewrites is tracked: what is tracked first is copied first. Names are unique.
  void after_step(std::string_view name, std::function<void()> hook,
                  std::vector<std::string> rewrites);

  /// Steps the optimizers, in this order, then the hooks, and passes the boundary. During a
  /// migration the gradients are held, not copied, until they were sent: let the next backward pass
  /// make new ones (zero_grad() as it is by default), or the job moves by the slower rounds.
  template <class... Optimizers>
  [[nodiscard]] StepResult step(Optimizers&... optimizers) {
    ((before_step(std::addressof(optimizers), &described<Optimizers>),
      static_cast<void>(optimizers.step())),
     ...);
    call_hooks();
    return step_boundary();
  }
  /// Tells Cardswap that a step is complete. Returns at once, unless this step is the one at which
  /// the job moves; a standby's first call returns when the job has arrived, with all state
  /// restored, or, with all state restored, to rehearse a step: then the next one returns when the
  /// job has arrived.
  [[nodiscard]] StepResult step_boundary();

  /// Whether this is a standby's warm-up step, or one that it rehearses: hold back log lines, files
  /// and other effects.
  [[nodiscard]] bool is_standby() const noexcept;
  /// Boundaries that this job has passed, wherever it ran.
  [[nodiscard]] std::uint64_t steps() const noexcept;
  /// 32 hexadecimal digits over every tracked byte. Works without an agent.
  [[nodiscard]] std::string state_digest();

 private:
  friend class ForeignSession;  // runtime/c_api: programs in other languages
  class Impl;
  using Describe = SteppedOptimizer (*)(const void* optimizer);
  template <class T>
  static SteppedOptimizer described(const void* optimizer) {
    const auto& known = *static_cast<const T*>(optimizer);
    return {typeid(known).name(), Steppable<T>::parameters(known)};
  }
  void before_step(const void* optimizer, Describe describe);
  void track_thing(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing,
                   const char* type);
  void track_parts_of(const void* thing, const std::vector<std::string>& names);
  void call_hooks();
  /// Whether the next boundary may do more than count.
  [[nodiscard]] bool has_attention() const noexcept;
  /// Closes the session.
  struct Close {
    void operator()(Impl* impl) const noexcept;
  };
  explicit Session(std::unique_ptr<Impl, Close> impl);
  /// open() of a program whose framework is not LibTorch's: "torch 2.11.0"; empty: it has none.
  [[nodiscard]] static Session open_for(std::string framework);
  std::unique_ptr<Impl, Close> impl_;
};

namespace detail {

/// A number or an enumerator, as its bytes.
template <class T>
class TrackedValue final : public TrackedState {
 public:
  explicit TrackedValue(T& value) : value_(value) {}
  std::vector<std::byte> save() override {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value_);
    return {bytes, bytes + sizeof(T)};
  }
  void load(std::span<const std::byte> bytes) override {
    if (bytes.size() != sizeof(T)) throw std::invalid_argument("a value of another size");
    std::memcpy(&value_, bytes.data(), sizeof(T));
  }
  [[nodiscard]] std::string kind() const override { return "value"; }

 private:
  T& value_;
};

/// A text or a vector of numbers, as its bytes.
template <class Sequence>
class TrackedSequence final : public TrackedState {
 public:
  using Item = typename Sequence::value_type;
  explicit TrackedSequence(Sequence& sequence) : sequence_(sequence) {}
  std::vector<std::byte> save() override {
    const auto bytes = std::as_bytes(std::span(sequence_));
    return {bytes.begin(), bytes.end()};
  }
  void load(std::span<const std::byte> bytes) override {
    if (bytes.size() % sizeof(Item) != 0) throw std::invalid_argument("a sequence of another type");
    sequence_.resize(bytes.size() / sizeof(Item));
    if (!bytes.empty()) std::memcpy(sequence_.data(), bytes.data(), bytes.size());
  }

 private:
  Sequence& sequence_;
};

}  // namespace detail

template <class T>
requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& value) {
    return std::make_unique<detail::TrackedValue<T>>(value);
  }
};
template <class T>
requires(std::is_arithmetic_v<T> && !std::same_as<T, bool>) struct Trackable<std::vector<T>> {
  static std::unique_ptr<TrackedState> make(std::vector<T>& value) {
    return std::make_unique<detail::TrackedSequence<std::vector<T>>>(value);
  }
};
template <>
struct Trackable<std::string> {
  static std::unique_ptr<TrackedState> make(std::string& value) {
    return std::make_unique<detail::TrackedSequence<std::string>>(value);
  }
};

}  // namespace cardswap

#include <cardswap/values.h>  // IWYU pragma: export
