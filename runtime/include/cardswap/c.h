#ifndef CARDSWAP_C_H
#define CARDSWAP_C_H

#include <stddef.h>
#include <stdint.h>

/// Cardswap's runtime for programs of any language: the library `cardswap_c`. <cardswap/session.h>
/// explains what a session, a boundary and a standby are; this header has the same calls as a C
/// ABI.
///
/// Threads: one thread, the one that trains, makes all calls except cardswap_abi(),
/// cardswap_version(), cardswap_error(), cardswap_error_code(), cardswap_let_go(),
/// cardswap_tell_agents() and cardswap_is_given_up(), which any thread may make. The training
/// thread also gets all callbacks, except those of struct cardswap_communicators of which that says
/// otherwise: inside cardswap_boundary(), cardswap_before_step(), cardswap_digest(),
/// cardswap_track() and cardswap_close(). The library's other threads read and write the memory
/// that regions and gradients name, and call no callback. Calls may wait: hold no lock during a
/// call that a callback takes.
///
/// Errors: a call that returns int and fails returns -1; cardswap_error() on the same thread then
/// says why. A callback that fails calls cardswap_fail() with the reason and returns anything but
/// 0: a migration then fails with that text, and the program goes on. No exception passes this ABI
/// in either direction.
///
/// Versions: as long as CARDSWAP_ABI is the same, what is declared here does not change. Functions
/// may be added, and members at the end of struct cardswap_callbacks and of struct
/// cardswap_communicators, which carry their own size.
#define CARDSWAP_ABI 1

#if defined(__GNUC__)
#define CARDSWAP_EXPORT __attribute__((visibility("default")))
#else
#define CARDSWAP_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cardswap_session cardswap_session;  ///< a job's connection to its agent
typedef struct cardswap_thing cardswap_thing;      ///< something that is tracked
typedef struct cardswap_out cardswap_out;          ///< receives a callback's answer while it runs

/// Memory of this host that belongs to the job's state.
struct cardswap_region {
  const char* name;  ///< unique within its thing, without '/'; empty: the thing's own name
  /// Any text; it must be the same on both sides. From c10's names ("Float", "Double", "Half",
  /// "BFloat16", "Short", "Int", "Long", "ComplexFloat") the runtime knows the size of an element,
  /// and uses it to compress data for a slow link.
  const char* dtype;
  const char* shape;    ///< any text; it must be the same on both sides, as must `bytes`
  void* memory;         ///< read and written by other threads until its token is released
  uint64_t bytes;       ///< the size of `memory`
  const void* storage;  ///< identity; regions with the same one are sent once; null: not shared
  uint64_t version;     ///< grows with each change of the memory; 0: changes are not counted
};

/// Keeps memory that Cardswap gave until cardswap_let_go(): cardswap_callbacks::relocate.
typedef struct cardswap_keep cardswap_keep;
/// The older name.
typedef cardswap_keep cardswap_home;

/// A parameter that an optimizer steps.
struct cardswap_parameter {
  uint32_t group;
  uint32_t index;       ///< in its group
  const void* tensor;   ///< identity
  const void* storage;  ///< cardswap_region::storage of the region that must be tracked for it
};

/// Memory that a parameter's update rewrites, by cardswap_region::storage.
struct cardswap_rewritten {
  uint32_t parameter;  ///< its number, counted over all groups of the optimizer
  const void* storage;
};

/// A gradient as an optimizer's step reads it: dense, in the order of its parameter's elements.
struct cardswap_gradient {
  uint32_t parameter;  ///< its number, counted over all groups of the optimizer
  const void* memory;
  uint64_t bytes;  ///< the size of `memory`
  uint64_t token;  ///< in capture(): released when the memory is not read any more; 0: no token
};

/// The callbacks of a tracked thing. A callback that is null is not called. `self` is the pointer
/// that cardswap_track() was given. A callback returns 0, or calls cardswap_fail() and returns
/// another value. The callbacks must not call the session.
struct cardswap_callbacks {
  size_t size;     ///< sizeof(struct cardswap_callbacks) in the caller's header
  uint64_t flags;  ///< bitwise or of CARDSWAP_LOADS_LAST and CARDSWAP_MOVES_WHOLE; or 0
  /// Puts the regions with cardswap_put_regions(), in an order that is the same on both sides.
  int (*regions)(void* self, cardswap_out* out);
  /// Makes or drops, on a standby, state that exists only after a first use. `names` are the region
  /// names of this thing on the source.
  int (*adopt)(void* self, const char* const* names, size_t count);
  /// Puts the state that is not in regions with cardswap_put_bytes(), 32 MiB at most. Equal states
  /// must give equal bytes.
  int (*save)(void* self, cardswap_out* out);
  /// Restores the state that save() put. Null: bytes from the source are an error.
  int (*load)(void* self, const void* bytes, uint64_t size);
  /// Puts the reasons why the thing cannot be moved now, with cardswap_put_obstacle().
  int (*look)(void* self, cardswap_out* out);
  /// Says that memory that was put with this token is not read or written any more.
  void (*release)(void* self, uint64_t token);
  /// Says that `self` gets no further callback. No token is released any more either: forget() ends
  /// them all.
  void (*forget)(void* self);
  /// Puts the parameters that the thing, an optimizer, steps, with cardswap_put_parameters().
  int (*parameters)(void* self, cardswap_out* out);
  /// Puts the memory that each parameter's update rewrites, with
  /// cardswap_put_rewritten().
  int (*rewritten)(void* self, cardswap_out* out);
  /// Puts the inputs of the step that the optimizer is about to take. These are its values
  /// before the step, with cardswap_put_bytes(), and the gradients, with cardswap_put_gradients().
  /// Null: as with replay().
  int (*capture)(void* self, cardswap_out* out);
  /// Takes, on a standby, the optimizer's step from whose capture() `bytes` and `gradients`
  /// are. Both are valid during the call. Null: steps are not replayed, and the state is sent in
  /// rounds.
  int (*replay)(void* self, const void* bytes, uint64_t size,
                const struct cardswap_gradient* gradients, size_t count);
  /// Copies the bytes of a region of cardswap_put_movable_regions() to `home`, makes the program
  /// use `home` from now on, and returns 0. The program calls cardswap_let_go(keep) when it uses
  /// `home` no more. Another result means that the region stays where it is; it is not an error,
  /// and `keep` must not be used then.
  int (*relocate)(void* self, const void* storage, void* home, uint64_t bytes, cardswap_keep* keep);
};

/// cardswap_callbacks::flags: load this thing after all others, because loading them may change it.
/// Random generators need this.
#define CARDSWAP_LOADS_LAST 1U
/// cardswap_callbacks::flags: the thing stands for a program that does not tell its state. No
/// standby can take the job over: its process is moved as a whole, or not at all.
#define CARDSWAP_MOVES_WHOLE 2U

/// The CARDSWAP_ABI with which the library was compiled.
CARDSWAP_EXPORT uint32_t cardswap_abi(void);
/// The version of Cardswap, such as "0.1.0".
CARDSWAP_EXPORT const char* cardswap_version(void);

/// The text of this thread's latest failure: what failed, with a hint. Empty before the first
/// failure. Valid until a call of this thread fails again.
CARDSWAP_EXPORT const char* cardswap_error(void);
/// The code of that failure, such as "bad_request". Valid as cardswap_error() is.
CARDSWAP_EXPORT const char* cardswap_error_code(void);

/// Opens the one session of this process. Without an agent nothing is sent and no boundary waits.
/// With an agent the call waits up to 16 s for its answer. `framework`, such as "torch 2.11.0",
/// must be the same on both sides of a migration; null or empty: none.
CARDSWAP_EXPORT int cardswap_open(const char* framework, cardswap_session** session);
/// Ends the session. forget() of each thing is called before it returns; in a forked process
/// nothing is called. A null session counts as closed: closing it does nothing, other calls fail
/// with -1, and cardswap_has_attention(), cardswap_is_standby() and cardswap_steps(), which cannot
/// fail, return 0.
CARDSWAP_EXPORT void cardswap_close(cardswap_session* session);

/// Tracks a thing. `name` must be new and must not contain '/'; `kind` ("module") and `type` are
/// shown to people. None of the three may be empty. The callbacks are copied. `*thing` is valid
/// until cardswap_close(); `thing` may be null. If the call fails, forget() is called too, unless
/// `callbacks` is null.
CARDSWAP_EXPORT int cardswap_track(cardswap_session* session, const char* name, const char* kind,
                                   const char* type, const struct cardswap_callbacks* callbacks,
                                   void* self, cardswap_thing** thing);
/// Gives zeroed memory that is tracked under a name of its own. It is valid until cardswap_close():
/// after that an access is a fault. When the process itself is moved, this memory can be sent while
/// the job trains.
CARDSWAP_EXPORT int cardswap_allocate(cardswap_session* session, const char* name, uint64_t bytes,
                                      void** memory);
/// Tells Cardswap that an optimizer is about to step, after its gradients were computed.
/// `optimizer` comes from cardswap_track() and must not be null. During a migration the call may
/// wait until there is room for more unsent gradients.
CARDSWAP_EXPORT int cardswap_before_step(cardswap_session* session, cardswap_thing* optimizer);

/// cardswap_boundary(): go on with the loop.
#define CARDSWAP_PROCEED 0
/// cardswap_boundary(): the job goes on in another process, and this one must end.
#define CARDSWAP_MOVED 1
/// Tells Cardswap that a step is complete. Returns CARDSWAP_PROCEED, CARDSWAP_MOVED, or -1. Waits
/// while the job is moved, and in a standby until the job's state has arrived. CARDSWAP_MOVED is
/// returned once: after it, this call and cardswap_before_step() do not return.
CARDSWAP_EXPORT int cardswap_boundary(cardswap_session* session);
/// Whether the next boundary may do more than count the step: 1 or 0. Costs a few atomic loads.
CARDSWAP_EXPORT int cardswap_has_attention(const cardswap_session* session);
/// Whether the present step is a standby's warm-up step or its rehearsed step, or one that the job
/// takes again on its way back to an earlier step: 1 or 0.
CARDSWAP_EXPORT int cardswap_is_standby(const cardswap_session* session);
/// How many boundaries the job has passed, in all processes in which it ran.
CARDSWAP_EXPORT uint64_t cardswap_steps(const cardswap_session* session);
/// Writes a digest over every tracked byte except gradients: 32 hexadecimal digits and a NUL. Works
/// without an agent.
CARDSWAP_EXPORT int cardswap_digest(cardswap_session* session, char text[33]);
/// Notes a number of this step under a name, such as the loss, for snapshots: as Session::note().
/// Returns 1; 0: it is not kept.
CARDSWAP_EXPORT int cardswap_note(cardswap_session* session, const char* name, double value);
/// Turns the rehearsal of steps off. `why` says why no other process can take a step of this
/// program with the same result; null or empty: no reason is given. Call it before the first
/// boundary.
CARDSWAP_EXPORT int cardswap_do_not_rehearse(cardswap_session* session, const char* why);

// A job of many processes, its ranks. One of them moves while the others stay: for that all of them
// exchange their communicators at one boundary.
/// The ranks of the epoch that a move leads to, and where they meet.
struct cardswap_next_ranks {
  uint64_t epoch;          ///< a number that no attempt has had before
  const char* rendezvous;  ///< host and port
  uint32_t ranks;          ///< how many there are
  const uint32_t* moved;   ///< those that leave their processes
  size_t moved_count;
};

/// What the next communicators took on this rank, in milliseconds and without waits for other
/// ranks.
struct cardswap_communicator_times {
  double build_ms;  ///< to connect them, in build()
  double try_ms;    ///< to try them, in trip()
};
/// The callbacks by which the communicators of a rank are exchanged. `self` is the pointer that
/// cardswap_set_ranks() was given. A callback returns 0, or calls cardswap_fail() and returns
/// another value: then the move is given up. build(), roll_back() and close_old() are called on a
/// thread of the library, one after another, while the program trains.
struct cardswap_communicators {
  size_t size;  ///< sizeof(struct cardswap_communicators) in the caller's header
  /// Builds the next communicators together with the other ranks. May wait for them, until
  /// cardswap_is_given_up() says so. The present ones stay in use. `next` is valid during the call.
  int (*build)(void* self, const struct cardswap_next_ranks* next);
  /// Drops what build() has made and exchange() has not used. Also called if nothing was built.
  int (*roll_back)(void* self);
  /// Every rank has done a step with the next communicators: closes those from before.
  int (*close_old)(void* self);
  /// Tries the next communicators together with the other ranks, and whether they can be put in.
  /// Waits as build() does. In cardswap_boundary().
  int (*trip)(void* self);
  /// Puts the next communicators in; if it fails, nothing has changed. In cardswap_boundary().
  int (*exchange)(void* self);
  /// Says what those took that exchange() has put in. May be null. In cardswap_boundary().
  int (*took)(void* self, struct cardswap_communicator_times* times);
};

/// cardswap_open() for a process that is `rank` of `ranks` processes of its job, or will be.
CARDSWAP_EXPORT int cardswap_open_rank(const char* framework, uint32_t rank, uint32_t ranks,
                                       cardswap_session** session);
/// Says which rank this process is, once the program has made its communicators. The callbacks are
/// copied. Null: they cannot be exchanged. Call it before the first boundary; a second call with
/// callbacks fails.
CARDSWAP_EXPORT int cardswap_set_ranks(cardswap_session* session, uint32_t rank, uint32_t ranks,
                                       const struct cardswap_communicators* communicators,
                                       void* self);
/// Where other agents reach the agent of this process, as HOST:PORT: the program tells it to the
/// other ranks. Empty: nowhere. Valid until cardswap_close().
CARDSWAP_EXPORT const char* cardswap_agent_address(const cardswap_session* session);
/// Tells the agent the cardswap_agent_address() of each rank, `count` of them, by rank. Call it
/// again after each exchange(). Any thread, while the session is open.
CARDSWAP_EXPORT int cardswap_tell_agents(cardswap_session* session, const char* const* agents,
                                         size_t count);
/// Whether this process takes the place of a rank that moves: 1, with its rank and how many there
/// are, or 0. It has no peers before exchange(): its first steps must do without.
CARDSWAP_EXPORT int cardswap_is_newcomer(const cardswap_session* session, uint32_t* rank,
                                         uint32_t* ranks);
/// Whether the move to `epoch` is over, so that build() and trip() must not wait for other ranks
/// any more: 1 or 0. Any thread, until cardswap_close() has returned.
CARDSWAP_EXPORT int cardswap_is_given_up(const cardswap_session* session, uint64_t epoch);

/// Gives back the memory that relocate() was given, which the program does not use any more. Any
/// thread. In a forked process the memory stays as it is. Null: does nothing.
CARDSWAP_EXPORT void cardswap_let_go(cardswap_keep* keep);

// Only inside callbacks. The arguments are copied; the memory of regions and gradients is not.
/// Sets the reason of a callback that is about to fail.
CARDSWAP_EXPORT void cardswap_fail(const char* why);
/// Puts regions, all under one token. If it is not 0, it is released when none of their memory is
/// used any more.
CARDSWAP_EXPORT void cardswap_put_regions(cardswap_out* out, const struct cardswap_region* regions,
                                          size_t count, uint64_t token);
/// Puts regions that relocate() can move; each needs a storage. `token` as above.
CARDSWAP_EXPORT void cardswap_put_movable_regions(cardswap_out* out,
                                                  const struct cardswap_region* regions,
                                                  size_t count, uint64_t token);
/// Appends bytes to those that the callback has put already.
CARDSWAP_EXPORT void cardswap_put_bytes(cardswap_out* out, const void* bytes, uint64_t size);
/// `what` is in the way of a migration; `hint` says what to do about it, and may be null.
CARDSWAP_EXPORT void cardswap_put_obstacle(cardswap_out* out, const char* what, const char* hint);
/// Puts parameters that the optimizer steps.
CARDSWAP_EXPORT void cardswap_put_parameters(cardswap_out* out,
                                             const struct cardswap_parameter* parameters,
                                             size_t count);
/// `parameters` is the number of the optimizer's parameters; entries for others are ignored.
CARDSWAP_EXPORT void cardswap_put_rewritten(cardswap_out* out,
                                            const struct cardswap_rewritten* rewritten,
                                            size_t count, uint32_t parameters);
/// Puts gradients, each with its own token.
CARDSWAP_EXPORT void cardswap_put_gradients(cardswap_out* out,
                                            const struct cardswap_gradient* gradients,
                                            size_t count);

#ifdef __cplusplus
}
#endif

#endif  // CARDSWAP_C_H
