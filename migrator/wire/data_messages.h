#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/core/factor.h"
#include "migrator/core/layout.h"

/// Control messages of the data plane, between the source's and the target's engine (docs/wire.md).
/// A message is u8 number (index in `Message` plus 1) and its fields in the order given here.
namespace cardswap::data {

inline constexpr std::uint32_t kMagic = 0x43535750;  // "PWSC" on the wire
inline constexpr std::uint32_t kVersion = 11;
inline constexpr std::size_t kRegionsMax = 1U << 20;
inline constexpr std::uint32_t kShownBytesMax = 256U << 10U;

// ---- source -> target

/// The first message. Until its token was found right nothing else but a small Hello is taken.
struct Authenticate {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::string migration;
  std::string token;
};
/// What the source brings, in which chunks. Answered by Accept or Refuse.
struct Hello {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::string migration;
  std::string token;
  std::uint64_t chunk_bytes = 0;
  bool want_digests = true;  ///< answer with digests of everything before the first round
  Layout layout;
};
/// The program made or dropped state: adopt this one instead, begin anew and answer as to Hello.
struct LayoutChanged {
  bool want_digests = true;
  Layout layout;
};
/// The round is over: `chunks` were sent in it. `final`: answer with the digests of everything,
/// once `updates` updates have been replayed.
struct RoundEnd {
  std::uint32_t round = 0;
  std::uint32_t chunks = 0;
  bool final = false;
  std::uint64_t updates = 0;
};
/// A sign of life, and a question for the target's clock. Answered by Pong.
struct Ping {
  std::int64_t sent_ns = 0;
};
/// The source is frozen: digest everything now, while it scans.
struct FreezeBegin {};
/// All that is tracked and no region; comes before the final RoundEnd is acted on.
struct Values {
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< on the target's clock
  std::int64_t clock_error_ns = 0;
  std::vector<std::byte> values;
};
/// Both sides' digests are equal. Answered by Confirmed.
struct Equal {
  Digest root;
};
/// One entry of the update log: what the optimizer's step read besides the state. The gradients
/// follow as payloads. Replayed in the order of `number`, once `base_chunks` chunks of kBaseRound
/// and all of its gradients have landed.
struct Update {
  /// A gradient that follows, or the EarlyGradient that it is, by its parameter.
  struct GradientSize {
    std::uint32_t parameter = 0;
    std::uint64_t bytes = 0;
    std::uint64_t early = 0;  ///< the EarlyGradient's number; 0: it follows
    Factor factor = {};       ///< by which the early one is to be multiplied first
  };
  std::uint64_t number = 0;  ///< 1, 2, ...
  std::uint64_t step = 0;    ///< the boundary that the update leads to
  bool audit = false;        ///< answer with Audited before anything later is replayed
  std::uint32_t optimizer = 0;
  std::uint64_t base_chunks = 0;
  std::vector<std::byte> options;
  std::vector<GradientSize> gradients;
};
/// A gradient of a step whose Update is not known yet; its bytes follow as payloads. An Update may
/// refer to it by its number, or EarlyDropped ends it.
struct EarlyGradient {
  std::uint64_t number = 0;  ///< 1, 2, ...
  std::uint32_t parameter = 0;
  std::uint64_t bytes = 0;  ///< at least 1
};
/// No Update will refer to this early gradient, of which `bytes` were sent.
struct EarlyDropped {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};
/// The source ends the migration, and why.
struct Abort {
  std::string reason;
};
/// The program made or dropped state while its updates are replayed: once `updates` of them were
/// replayed and `base_chunks` chunks of kBaseRound have landed, adopt this layout and answer with
/// Accept. What both layouts have keeps its bytes and digests, and the updates go on. Not while a
/// round is under way; nothing else but Ping follows before the answer.
struct LayoutAmended {
  std::uint64_t updates = 0;
  std::uint64_t base_chunks = 0;
  Layout layout;
};

/// The target holds the state of step `Values::step` and answered for it, and nobody may commit
/// that: its program takes the next step, as the source's does, and stands behind it. Nothing but
/// Ping follows before the answer, Rehearsed. Values that came before count no more.
struct Rehearse {};
/// How does what you hold differ? The first bytes of a chunk, while nothing is on its way to it.
struct ReadChunk {
  ChunkId chunk{};
  std::uint32_t bytes = 0;  ///< kShownBytesMax at most
};

// ---- target -> source

/// The target takes the layout.
struct Accept {
  std::uint32_t chunks = 0;
  bool multiplies = false;  ///< early gradients may come with factors
};
/// The target ends the migration, and why.
struct Refuse {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
};
/// Digests of what the target holds, taken after the bytes landed.
struct ChunkDigests {
  std::uint32_t round = 0;
  bool final = false;
  std::vector<std::pair<ChunkId, Digest>> chunks;
  Digest values;  ///< final only: of the values saved again after they were applied
};
/// Answer to Ping.
struct Pong {
  std::int64_t sent_ns = 0;
  std::int64_t target_ns = 0;
};
/// Answer to Equal: the target holds the same.
struct Confirmed {
  Digest root;
};
/// An update was replayed, and how long that took.
struct Replayed {
  std::uint64_t number = 0;
  double replay_ms = 0;
};
/// What the program tracks besides its regions, after the step that it took.
struct Rehearsed {
  std::vector<std::byte> values;
};
/// The first bytes of a chunk that was asked for.
struct ChunkBytes {
  ChunkId chunk{};
  std::vector<std::byte> bytes;
};
/// Digests of every chunk, in order, right after update `number`.
struct Audited {
  std::uint64_t number = 0;
  std::vector<Digest> chunks;
};

using Message = std::variant<Hello, LayoutChanged, RoundEnd, Ping, FreezeBegin, Values, Equal,
                             Abort, Accept, Refuse, ChunkDigests, Pong, Confirmed, Update, Replayed,
                             Audited, LayoutAmended, Authenticate, Rehearse, Rehearsed, ReadChunk,
                             ChunkBytes, EarlyGradient, EarlyDropped>;

[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Throws Error{bad_request}; allocates no more than the message's own size allows.
[[nodiscard]] Message decode(std::span<const std::byte> bytes);

/// Chunks of a base copy that the update log goes on from; other rounds count from 1.
inline constexpr std::uint32_t kBaseRound = 0;

/// The header in front of a chunk's bytes.
struct ChunkHeader {
  ChunkId chunk{};
  std::uint32_t round = 0;
};
/// The header in front of a piece of an update's gradient.
struct GradientHeader {
  std::uint64_t update = 0;
  std::uint32_t gradient = 0;  ///< index into Update::gradients
  std::uint64_t offset = 0;
};
/// The header in front of a piece of an early gradient.
struct EarlyHeader {
  std::uint64_t number = 0;
  std::uint64_t offset = 0;
};
using BulkHeader = std::variant<ChunkHeader, GradientHeader, EarlyHeader>;
/// How the payload is packed; `bytes` is what it unpacks to, none: 0.
struct Packing {
  Codec codec = Codec::none;
  std::uint8_t element_size = 1;
  std::uint32_t bytes = 0;
};
/// What a payload is, and how it is packed.
struct Bulk {
  BulkHeader what;
  Packing packing;
};
[[nodiscard]] std::vector<std::byte> encode(const BulkHeader& header, const Packing& packing = {});
/// Throws Error{bad_request}.
[[nodiscard]] Bulk decode_bulk_header(std::span<const std::byte> bytes);

/// What both sides must agree on before anything commits.
[[nodiscard]] Digest root_of(const Layout& layout, std::span<const Digest> chunks,
                             const Digest& values);

}  // namespace cardswap::data
