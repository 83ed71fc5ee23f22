#ifndef CARDSWAP_C_H
#define CARDSWAP_C_H

#include <stddef.h>
#include <stdint.h>

/// Cardswap's runtime for programs of any language: the library `cardswap_c`. <cardswap/session.h>
/// says what a session, a boundary and a standby are; here are the same calls as a C ABI.
///
/// Threads: one thread, the one that trains, makes all calls but cardswap_error() and its like,
/// and gets all callbacks: inside cardswap_boundary(), cardswap_before_step(), cardswap_digest(),
/// cardswap_track() and cardswap_close(). Threads of the library itself read and write the memory
/// that regions and gradients name and call nothing. Calls may wait: hold no lock over them that a
/// callback takes.
///
/// Errors: a call that fails gives -1 and leaves its word in cardswap_error() of the same thread. A
/// callback that fails says why with cardswap_fail() and gives anything but 0: a migration then
/// fails with that text, and the program goes on. No exception passes this ABI in either direction.
///
/// Versions: what is here stays as it is while CARDSWAP_ABI does. Functions may be added, and
/// members at the end of struct cardswap_callbacks, which tells its own size.
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
typedef struct cardswap_out cardswap_out;  ///< takes a callback's answer, while the callback runs

/// Memory of this host that belongs to the job's state.
struct cardswap_region {
  const char* name;  ///< in the thing that has it; no '/'
  /// Any word. By c10's names ("Float", "Double", "Half", "BFloat16", "Short", "Int", "Long",
  /// "ComplexFloat") the runtime knows an element's size, and packs a slow link's bytes by it.
  const char* dtype;
  const char* shape;    ///< with the dtype and the bytes, what both sides must agree on
  void* memory;         ///< read and written by other threads until its token is released
  uint64_t bytes;       ///< of memory
  const void* storage;  ///< identity: what is shared is sent once; null: not shared
  uint64_t version;     ///< grows with each change; 0: nobody counts
};

/// A hold on memory that Cardswap gave: cardswap_callbacks::relocate.
typedef struct cardswap_home cardswap_home;

/// A parameter that an optimizer steps.
struct cardswap_parameter {
  uint32_t group;
  uint32_t index;       ///< in its group
  const void* tensor;   ///< identity
  const void* storage;  ///< cardswap_region::storage of what is to be tracked
};

/// Memory that a parameter's update rewrites, by cardswap_region::storage.
struct cardswap_rewritten {
  uint32_t parameter;  ///< counted over the optimizer's groups
  const void* storage;
};

/// A gradient as an optimizer's step reads it: dense, in the order of its parameter's elements.
struct cardswap_gradient {
  uint32_t parameter;  ///< counted over the optimizer's groups
  const void* memory;
  uint64_t bytes;  ///< of memory
  uint64_t token;  ///< of capture(): what is released when the memory is not read any more
};

/// The callbacks of a tracked thing; null: it has nothing to do there. `self` is the pointer that
/// cardswap_track() was given. Each returns 0, or fails with cardswap_fail().
struct cardswap_callbacks {
  size_t size;     ///< sizeof(struct cardswap_callbacks), as the caller knows it
  uint64_t flags;  ///< CARDSWAP_LOADS_LAST or 0
  /// Puts the regions, in an order that is the same on both sides: cardswap_put_regions().
  int (*regions)(void* self, cardswap_out* out);
  /// Makes or drops state that exists only after a first use, as the source's names say. Standby.
  int (*adopt)(void* self, const char* const* names, size_t count);
  /// Puts all that is no region, cardswap_put_bytes(): equal states, equal bytes; 32 MiB at most.
  int (*save)(void* self, cardswap_out* out);
  /// Takes what save() put.
  int (*load)(void* self, const void* bytes, uint64_t size);
  /// Puts what keeps the thing from being moved: cardswap_put_obstacle().
  int (*look)(void* self, cardswap_out* out);
  /// Memory that was put with this token is not read or written any more.
  void (*release)(void* self, uint64_t token);
  /// Hears that `self` is not called any more.
  void (*forget)(void* self);
  /// Puts what the thing, an optimizer, steps: cardswap_put_parameters().
  int (*parameters)(void* self, cardswap_out* out);
  /// Puts what each parameter's update rewrites: cardswap_put_rewritten().
  int (*rewritten)(void* self, cardswap_out* out);
  /// Puts what the step that is about to be taken reads: the values that it needs before it, with
  /// cardswap_put_bytes(), and the gradients, with cardswap_put_gradients().
  int (*capture)(void* self, cardswap_out* out);
  /// Takes the step that `bytes` and the gradients were captured from, which are valid meanwhile.
  /// Null: steps are not replayed, and the state goes by rounds.
  int (*replay)(void* self, const void* bytes, uint64_t size,
                const struct cardswap_gradient* gradients, size_t count);
  /// Copies the bytes of a region of cardswap_put_movable_regions() to `home`, and has the program
  /// use that from now on: 0, and cardswap_let_go(keep) once it does so no more. Anything else:
  /// the region stays where it is, which is no failure.
  int (*relocate)(void* self, const void* storage, void* home, uint64_t bytes, cardswap_home* keep);
};

/// cardswap_callbacks::flags: loading other things may disturb this one, as with a generator.
#define CARDSWAP_LOADS_LAST 1U
/// cardswap_callbacks::flags: the thing is a program that says nothing of its state, so that no
/// standby can take it over: its process moves whole or not at all.
#define CARDSWAP_MOVES_WHOLE 2U

/// CARDSWAP_ABI of the library, and the version of Cardswap: "0.1.0".
CARDSWAP_EXPORT uint32_t cardswap_abi(void);
CARDSWAP_EXPORT const char* cardswap_version(void);

/// The latest failure of this thread: what failed, with a hint; and its code, such as
/// "bad_request". Valid until the thread's next call.
CARDSWAP_EXPORT const char* cardswap_error(void);
CARDSWAP_EXPORT const char* cardswap_error_code(void);

/// Opens the one session of this process, inert where no agent started it. `framework`, such as
/// "torch 2.11.0", must be the same on both sides of a migration.
CARDSWAP_EXPORT int cardswap_open(const char* framework, cardswap_session** session);
/// Ends it; every thing is forgotten before it returns. Null is taken, here and wherever a session
/// is given: that is one that was closed, of which calls fail, and the three below that cannot give
/// 0.
CARDSWAP_EXPORT void cardswap_close(cardswap_session* session);

/// Tracks a thing under a name of its own; `kind` ("module") and `type` are for people. The
/// callbacks are copied. `thing` may be null; it lives as long as the session. A thing that is
/// refused is forgotten too.
CARDSWAP_EXPORT int cardswap_track(cardswap_session* session, const char* name, const char* kind,
                                   const char* type, const struct cardswap_callbacks* callbacks,
                                   void* self, cardswap_thing** thing);
/// Gives zeroed memory that is tracked under a name of its own and lives as long as the process: it
/// can be sent ahead of a process that moves whole.
CARDSWAP_EXPORT int cardswap_allocate(cardswap_session* session, const char* name, uint64_t bytes,
                                      void** memory);
/// Says that an optimizer is about to step; its gradients are there.
CARDSWAP_EXPORT int cardswap_before_step(cardswap_session* session, cardswap_thing* optimizer);

#define CARDSWAP_PROCEED 0
#define CARDSWAP_MOVED 1
/// Says that a step is complete: CARDSWAP_PROCEED, or CARDSWAP_MOVED, once, where the job goes on
/// elsewhere and this process must end. Waits while the job is moved, and in a standby.
CARDSWAP_EXPORT int cardswap_boundary(cardswap_session* session);
/// Whether the next boundary may do more than count: 1 or 0. Costs a load.
CARDSWAP_EXPORT int cardswap_has_attention(const cardswap_session* session);
/// Whether this is a standby's warm-up step, or one that it rehearses: 1 or 0.
CARDSWAP_EXPORT int cardswap_is_standby(const cardswap_session* session);
/// Boundaries that the job has passed, wherever it ran.
CARDSWAP_EXPORT uint64_t cardswap_steps(const cardswap_session* session);
/// 32 hexadecimal digits over every tracked byte, and a NUL.
CARDSWAP_EXPORT int cardswap_digest(cardswap_session* session, char text[33]);
/// Says why no other process can take a step of this program; before the first boundary.
CARDSWAP_EXPORT int cardswap_do_not_rehearse(cardswap_session* session, const char* why);

/// What relocate() was given is not used any more. Any thread; a fork's copy is left alone.
CARDSWAP_EXPORT void cardswap_let_go(cardswap_home* keep);

// In callbacks alone. What is given is copied, but for the memory that is named.
CARDSWAP_EXPORT void cardswap_fail(const char* why);
/// `token`, if it is not 0, is released when none of this memory is used any more.
CARDSWAP_EXPORT void cardswap_put_regions(cardswap_out* out, const struct cardswap_region* regions,
                                          size_t count, uint64_t token);
/// Puts regions that relocate() can move, each with a storage.
CARDSWAP_EXPORT void cardswap_put_movable_regions(cardswap_out* out,
                                                  const struct cardswap_region* regions,
                                                  size_t count, uint64_t token);
CARDSWAP_EXPORT void cardswap_put_bytes(cardswap_out* out, const void* bytes, uint64_t size);
CARDSWAP_EXPORT void cardswap_put_obstacle(cardswap_out* out, const char* what, const char* hint);
CARDSWAP_EXPORT void cardswap_put_parameters(cardswap_out* out,
                                             const struct cardswap_parameter* parameters,
                                             size_t count);
/// `parameters` counts all that the optimizer has.
CARDSWAP_EXPORT void cardswap_put_rewritten(cardswap_out* out,
                                            const struct cardswap_rewritten* rewritten,
                                            size_t count, uint32_t parameters);
CARDSWAP_EXPORT void cardswap_put_gradients(cardswap_out* out,
                                            const struct cardswap_gradient* gradients,
                                            size_t count);

#ifdef __cplusplus
}
#endif

#endif  // CARDSWAP_C_H
