#pragma once

#include <cardswap/error.h>  // IWYU pragma: export
#include <cardswap/tracking.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
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

/// Cardswap's API for training programs. It needs only the standard library; <cardswap/torch.h>
/// adds LibTorch's types.
namespace cardswap {

/// The result of a step boundary. `proceed`: go on with the loop. `moved`: leave the loop,
/// because the job goes on in another process. `moved` is returned once: after it, the next step
/// or boundary of this process, on any thread, does not return (see Session).
enum class [[nodiscard]] StepResult : std::uint8_t{
    proceed, moved,
    migrated = moved,  ///< the older name
};

class Communicators;  // runtime/roles: for programs in other languages
struct RankInGang;

/// A job's connection to Cardswap: it knows which state belongs to the job, and where a step ends.
///
/// Without an agent (no CARDSWAP_SOCKET) nothing is sent and no boundary waits; names are checked,
/// memory is allocated, hooks are called and steps are counted all the same.
///
/// The calls that set a session up (open(), the track functions, allocate(), after_step()) throw
/// std::exceptions, most of them an Error. Afterwards Cardswap throws nothing into the loop: a
/// failed migration is reported to the agent. Exceptions of the program's optimizers and hooks pass
/// through step().
///
/// There is one session in a process. Only the thread that runs the training loop calls it, which
/// must be the main thread in a standby.
///
/// Only one process takes the job's steps. Once step() or step_boundary() has returned `moved`,
/// the next of these calls does not return: the agent ends the process. If the agent does not, the
/// process ends itself one minute after the move, with a line on stderr and status 75. A process
/// that was forked from the trainer ends in the same way as soon as it makes such a call.
class Session {
 public:
  /// Opens the session. With an agent it connects, and waits up to 16 s for the agent's answer.
  /// Throws Error{conflict} if this process has a session already, {unreachable} if no agent
  /// answers, {protocol_mismatch, bad_request} if the agent is of another release or its socket
  /// path is invalid, {io} if this host has no descriptor left, or the code with which the agent
  /// refuses.
  [[nodiscard]] static Session open();
  /// A session that was moved from may only be destroyed or assigned to.
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  /// Ends a migration that is under way and tells the agent. Waits for the session's own threads.
  ~Session();

  /// Tracks `thing` by reference: it must outlive the session. Throws Error{bad_request} for a
  /// name that is empty, in use or has a '/', and std::invalid_argument, which says why, for a
  /// thing that cannot be tracked. Track everything before the first boundary: a standby does not
  /// have what is tracked later, and the job is then not moved to a standby.
  template <class T>
  void track(std::string_view name, T& thing) {
    track_thing(name, Trackable<T>::make(thing), std::addressof(thing), typeid(thing).name());
  }
  /// Tracks a value, such as a cursor: `save` returns its bytes and `load` takes them back. Equal
  /// values must give equal bytes. Both are called on the training thread: at a boundary, and
  /// `save` in state_digest() too. In a standby `save` is called after `load` and must return what
  /// was loaded. An exception of either fails the migration, not the loop. Names and errors as
  /// above.
  void track(std::string_view name, std::function<std::vector<std::byte>()> save,
             std::function<void(std::span<const std::byte>)> load);
  /// Tracks memory of this host, which must stay where it is until the session ends. Other threads
  /// read it while the program writes to it. A standby gets the bytes that the memory holds at a
  /// boundary, and must track the same number of bytes under the same name. Names and errors as
  /// above.
  void track_memory(std::string_view name, std::span<std::byte> memory);
  /// Tracks what an adapter describes (cardswap/tracking.h). The session owns `state`, which must
  /// not be null. Names and errors as above.
  void track_state(std::string_view name, std::unique_ptr<TrackedState> state);
  /// Declares that the state of `thing`, an optimizer that is given to step(), is tracked in parts,
  /// under these names. Throws Error{bad_request} for a name that is not tracked.
  template <class T>
  void track_parts(const T& thing, const std::vector<std::string>& names) {
    track_parts_of(std::addressof(thing), names);
  }
  /// Allocates zeroed memory and tracks it. When the process itself is moved, this memory can be
  /// sent while the job trains. Valid until the session ends. Throws Error{bad_request} for the
  /// name as above, Error{refused, no_memory} if there are no addresses or no memory for it, and
  /// Error{io}.
  [[nodiscard]] std::span<std::byte> allocate(std::string_view name, std::size_t bytes);

  /// Attaches a small file, such as a model's "config.json": its bytes as they are now go along
  /// with the job and into its snapshots, and `cardswap export --format hf` writes it beside the
  /// tensors. `name` has letters, digits, '.', '_' and '-', a letter or digit first. Throws
  /// Error{bad_request} for another name, one that is attached already, and more than 4 MiB, and
  /// Error{io}. Call it before the first boundary.
  void attach(std::string_view name, const std::filesystem::path& file);

  /// Notes a number of this step under a name, such as the loss: a snapshot keeps the latest value
  /// of each name, and `cardswap history` shows it. It may be NaN or infinite. It is no state: it
  /// is in no digest, and does not move with the job. False: it is not kept, because the name is
  /// empty, longer than 64 bytes or no UTF-8, or 32 other names are in use. Cheap; throws nothing
  /// but std::bad_alloc.
  bool note(std::string_view name, double value);

  /// Turns the rehearsal of steps off. `why` says why no other process can take a step of this
  /// program with the same result, such as "it reads from a queue". Call it before the first
  /// boundary.
  void do_not_rehearse(std::string_view why);

  /// Adds the program's own update of tracked state after each step, such as an average of the
  /// weights. step() calls `hook` after the optimizers; a standby calls it after each update that
  /// it replays. The hook must compute from tracked state alone. `rewrites` names the tracked
  /// things that the hook changes and that nothing else changes. Call this after everything that
  /// the hook reads or rewrites is tracked: state is copied in the order in which it was tracked.
  /// Throws Error{bad_request} for a `name` as above, and if a name in `rewrites` is not tracked.
  void after_step(std::string_view name, std::function<void()> hook,
                  std::vector<std::string> rewrites);

  /// Steps the optimizers in this order, calls the hooks, and passes the boundary as
  /// step_boundary() does. During a migration Cardswap holds the gradients, without a copy, until
  /// they were sent: let the next backward pass make new ones (the default of zero_grad()), or the
  /// job moves by the slower rounds. The call may then wait until there is room for more unsent
  /// gradients.
  template <class... Optimizers>
  [[nodiscard]] StepResult step(Optimizers&... optimizers) {
    ((before_step(std::addressof(optimizers), &described<Optimizers>),
      static_cast<void>(optimizers.step())),
     ...);
    call_hooks();
    return step_boundary();
  }
  /// Tells Cardswap that a step is complete. Outside of a migration it returns at once, except that
  /// the first call, a call after something new is tracked or steps, and a call while the state is
  /// being listed look at all that is tracked: each value is saved twice. During a migration it may
  /// copy state, or slow the loop down if the migration may do so. At the step at which the job
  /// moves it waits for the outcome of the move.
  ///
  /// In a standby the first call waits for the job's state. It returns when the job has arrived, or
  /// earlier, to rehearse one step: then the next call returns when the job has arrived. In both
  /// cases all tracked state is restored when the call returns.
  [[nodiscard]] StepResult step_boundary();

  /// Whether the present step is a standby's warm-up step or its rehearsed step, and not a step of
  /// the job, or one that the job takes again on its way back to a step of which there is no
  /// snapshot: hold back log lines, files and other effects.
  [[nodiscard]] bool is_standby() const noexcept;
  /// How many boundaries the job has passed, in all processes in which it ran.
  [[nodiscard]] std::uint64_t steps() const noexcept;
  /// A digest of 32 hexadecimal digits over every tracked byte except gradients. Works without an
  /// agent. Throws Error if tracked state cannot be read.
  [[nodiscard]] std::string state_digest();

 private:
  friend class ForeignSession;  // runtime/session: programs in other languages
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
  /// Deletes the session; in a forked process it does nothing.
  struct Close {
    void operator()(Impl* impl) const noexcept;
  };
  explicit Session(std::unique_ptr<Impl, Close> impl);
  /// open() for a program with the framework "torch 2.11.0" or another; empty: no framework. It is
  /// `rank` of `ranks` processes, or will be.
  [[nodiscard]] static Session open_for(std::string framework, std::uint32_t rank = 0,
                                        std::uint32_t ranks = 1);
  /// Says which of how many processes of the job this one is, and how its ranks reduce; null: by
  /// nothing that can be exchanged. Throws Error{conflict} the second time with communicators.
  void set_ranks(std::uint32_t rank, std::uint32_t ranks, std::unique_ptr<Communicators> how);
  /// Tells the agent of the agents of all ranks, by rank. Any thread.
  void tell_agents(std::vector<std::string> agents);
  /// Whether the gang of `epoch` is over, so that its other ranks are waited for no more. Any
  /// thread.
  [[nodiscard]] bool is_given_up(std::uint64_t epoch) const noexcept;
  /// Where other agents reach this process's agent, as HOST:PORT; empty: nowhere, or no agent.
  [[nodiscard]] const std::string& agent_address() const noexcept;
  /// The rank as which this process arrives in a gang; of 0 ranks: it does not.
  [[nodiscard]] RankInGang place_in_gang() const noexcept;
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
