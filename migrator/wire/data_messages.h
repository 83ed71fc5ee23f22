#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/core/factor.h"
#include "migrator/core/layout.h"
#include "migrator/core/notes.h"

/// Control messages of the data plane, between the source's and the target's engine (docs/wire.md).
/// A message is a u8 number (the index in `Message` plus 1) and then its fields, in the order in
/// which they stand here, except that ChunkDigests has `values` before `chunks`.
namespace cardswap::data {

inline constexpr std::uint32_t kMagic = 0x43535750;  // "PWSC" on the wire
inline constexpr std::uint32_t kVersion = 12;
/// The most bytes of values that a message carries.
inline constexpr std::size_t kValuesFieldBytesMax = 48U << 20;
inline constexpr std::size_t kRegionsMax = 1U << 20;
inline constexpr std::uint32_t kShownBytesMax = 256U << 10U;

// ---- source -> target

/// The first message. Until its token is accepted, the target takes nothing else but a small
/// LayoutOffered.
struct Authenticate {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::string migration;
  std::string token;
};
/// The layout of the source, and the size of its chunks. Answered by Accept or Refused.
struct LayoutOffered {
  std::uint32_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::string migration;
  std::string token;
  std::uint64_t chunk_bytes = 0;
  bool want_digests = true;  ///< also answer with the digests of everything
  Layout layout;
};
/// The program has created or dropped state: the target adopts this layout instead, forgets all
/// digests, and answers as to LayoutOffered.
struct LayoutReplaced {
  bool want_digests = true;
  Layout layout;
};
/// The round is over; `chunks` chunks were sent in it. Answered by ChunkDigests. `final`: the
/// answer has the digests of everything, taken once `updates` updates are replayed.
struct RoundEnd {
  std::uint32_t round = 0;
  std::uint32_t chunks = 0;
  bool final = false;
  std::uint64_t updates = 0;
};
/// A heartbeat, and a question for the target's clock. Answered by Pong.
struct Ping {
  std::int64_t sent_ns = 0;
};
/// The source is frozen and scans its state: the target digests everything at the same time.
struct FreezeBegin {};
/// A number that the source's program has named. It is no state: no digest has it.
struct Note {
  std::string name;
  std::uint64_t bits = 0;  ///< of the double, which may be NaN or infinite
};
/// The bytes of everything that is tracked and is not a region, and what the program has noted.
/// Sent before the final RoundEnd.
struct Values {
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< on the target's clock
  std::int64_t clock_error_ns = 0;
  std::vector<std::byte> values;
  std::vector<Note> notes = {};  ///< at most kNotesMax
};
/// Both sides' digests are equal. Answered by Confirmed.
struct Equal {
  Digest state_digest;
};
/// One entry of the update log: what the optimizer step reads besides the state. The gradients
/// follow as payloads. Updates are replayed in the order of `number`, each once `base_chunks`
/// chunks of kBaseRound and all of its gradients have landed. Answered by Replayed.
struct Update {
  /// A gradient of the update. It follows as payloads, or is an EarlyGradient.
  struct GradientSize {
    std::uint32_t parameter = 0;
    std::uint64_t bytes = 0;
    std::uint64_t early = 0;  ///< EarlyGradient::number; 0: it follows
    Factor factor = {};  ///< multiplies the early gradient first; sent only if `early` is not 0
  };
  std::uint64_t number = 0;  ///< 1, 2, ...
  std::uint64_t step = 0;    ///< the boundary to which the update leads
  bool audit = false;        ///< answer with Audited before anything later is replayed
  std::uint32_t optimizer = 0;
  std::uint64_t base_chunks = 0;
  std::vector<std::byte> options;
  std::vector<GradientSize> gradients;
};
/// A gradient of a step whose Update is not known yet. Its bytes follow as payloads. Later an
/// Update refers to it by its number, or EarlyDropped ends it.
struct EarlyGradient {
  std::uint64_t number = 0;  ///< 1, 2, ...
  std::uint32_t parameter = 0;
  std::uint64_t bytes = 0;  ///< at least 1
};
/// No Update will refer to this early gradient; `bytes` bytes of it were sent.
struct EarlyDropped {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};
/// The source ends the migration, for this reason.
struct Abort {
  std::string reason;
};
/// The program has created or dropped state while its updates are replayed. The target adopts this
/// layout once `updates` updates are replayed and `base_chunks` chunks of kBaseRound have landed,
/// and answers with Accept. Regions that both layouts have keep their bytes and digests, and the
/// numbers of updates go on. Not sent during a round; until the answer only Ping follows.
struct LayoutAmended {
  std::uint64_t updates = 0;
  std::uint64_t base_chunks = 0;
  Layout layout;
};

/// The rehearsal of a step. The target holds the state of step `Values::step`, its digests were
/// equal, and nobody may commit it: the programs of both sides take the next step and are parked
/// after it. Answered by Rehearsed; until then only Ping follows. Values that were sent before do
/// not count any more.
struct Rehearse {};
/// Asks for the first bytes of a chunk, which no payload in flight may change. Answered by
/// ChunkBytes.
struct ReadChunk {
  ChunkId chunk{};
  std::uint32_t bytes = 0;  ///< at most kShownBytesMax
};

// ---- target -> source

/// The target has adopted the layout.
struct Accept {
  std::uint32_t chunks = 0;  ///< into how many chunks it has cut the layout
  bool multiplies = false;   ///< an Update may have factors for early gradients
};
/// The target ends the migration, for this reason.
struct Refused {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
};
/// Digests of the bytes that the target holds, taken after they landed.
struct ChunkDigests {
  std::uint32_t round = 0;
  bool final = false;
  std::vector<std::pair<ChunkId, Digest>> chunks;
  Digest values;  ///< if `final`: of the values, saved again after they were applied; else zeros
};
/// Answer to Ping.
struct Pong {
  std::int64_t sent_ns = 0;
  std::int64_t target_ns = 0;
};
/// Answer to Equal: the target holds the state with this state digest.
struct Confirmed {
  Digest state_digest;
};
/// An update was replayed in `replay_ms`.
struct Replayed {
  std::uint64_t number = 0;
  double replay_ms = 0;
};
/// Answer to Rehearse: the values of the target's program after the step.
struct Rehearsed {
  std::vector<std::byte> values;
};
/// Answer to ReadChunk: the first bytes of the chunk.
struct ChunkBytes {
  ChunkId chunk{};
  std::vector<std::byte> bytes;
};
/// Digests of every chunk, in order, right after update `number`.
struct Audited {
  std::uint64_t number = 0;
  std::vector<Digest> chunks;
};

using Message = std::variant<LayoutOffered, LayoutReplaced, RoundEnd, Ping, FreezeBegin, Values,
                             Equal, Abort, Accept, Refused, ChunkDigests, Pong, Confirmed, Update,
                             Replayed, Audited, LayoutAmended, Authenticate, Rehearse, Rehearsed,
                             ReadChunk, ChunkBytes, EarlyGradient, EarlyDropped>;

[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Throws Error{bad_request}, and {protocol_mismatch} for an Authenticate or LayoutOffered of
/// another kVersion; allocates no more than the message's own size allows.
[[nodiscard]] Message decode(std::span<const std::byte> bytes);

/// The round of the chunks of a replay's base copy; other rounds count from 1.
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
using PayloadHeader = std::variant<ChunkHeader, GradientHeader, EarlyHeader>;
/// How the payload is compressed. `bytes`: its size after decompression; 0 if it is not compressed.
struct PayloadEncoding {
  Codec codec = Codec::none;
  std::uint8_t element_bytes = 1;
  std::uint32_t bytes = 0;
};
/// The header of a payload, and how the payload is compressed.
struct DescribedPayload {
  PayloadHeader what;
  PayloadEncoding encoding;
};
[[nodiscard]] std::vector<std::byte> encode(const PayloadHeader& header,
                                            const PayloadEncoding& encoding = {});
/// Throws Error{bad_request}.
[[nodiscard]] DescribedPayload decode_payload_header(std::span<const std::byte> bytes);

/// The digest of a whole state, on which both sides must agree before the commit. `chunks`: one
/// digest for each chunk; `values`: the digest of the values.
[[nodiscard]] Digest state_digest_of(const Layout& layout, std::span<const Digest> chunks,
                                     const Digest& values);

}  // namespace cardswap::data
