#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/digest.h"

/// The bytes of a gradient log: what each step of a job has read besides the state that it rewrites
/// (docs/store.md). Pure; docs/decisions/040.
namespace cardswap::store {

/// The most bytes of a record's head: its values, options and lists of pieces.
inline constexpr std::size_t kLogHeadBytesMax = 96U << 20;
/// The most bytes of a segment's head.
inline constexpr std::size_t kLogStartBytesMax = 64U << 10;
/// The bytes of a frame besides its body: the size before it and the digest after it.
inline constexpr std::size_t kLogFrameBytes = 4 + sizeof(Digest);
/// The bytes before the first frame of a segment.
inline constexpr std::size_t kLogMagicBytes = 8;

/// What a segment says of all of its records.
struct LogStart {
  std::string job;
  std::string run;  ///< as Ref has it; never empty
  std::string branch;
  std::uint64_t epoch = 0;
  Digest layout;                  ///< Layout::digest() of the state that the steps rewrite
  std::uint32_t chunk_bytes = 0;  ///< of the chunks whose digests make LogRecord::root
  std::string writer;             ///< the trainer's framework and host, for people
  bool operator==(const LogStart&) const = default;
};

/// A run of bytes in a record's payload.
struct LogPiece {
  std::uint32_t index = 0;  ///< of a parameter, over all optimizers; or of a region
  std::uint64_t bytes = 0;
  Digest digest;
  bool operator==(const LogPiece&) const = default;
};

/// One step of one optimizer. Without gradients: an update of the program's own.
struct LogUpdate {
  std::uint32_t optimizer = 0;
  std::vector<std::byte> options;  ///< hyper-parameters and counters before the step
  std::vector<LogPiece> gradients;
  bool operator==(const LogUpdate&) const = default;
};

/// One step of the job. Its payload, which follows, has the bytes of `regions` and then those of
/// the gradients of all updates, in order.
struct LogRecord {
  std::uint64_t step = 0;          ///< the boundary to which it leads
  std::optional<Digest> root;      ///< the state digest at that boundary; nullopt: not known
  std::vector<std::byte> values;   ///< at that boundary: counters, generators
  std::vector<LogPiece> regions;   ///< those that no update rewrites, and that have changed
  std::vector<LogUpdate> updates;  ///< in the order in which they were taken
  [[nodiscard]] std::uint64_t payload_bytes() const;
  /// The pieces in the order in which their bytes follow.
  [[nodiscard]] std::vector<LogPiece> pieces() const;
  bool operator==(const LogRecord&) const = default;
};

/// The first bytes of a segment: kLogMagicBytes, then a frame.
[[nodiscard]] std::vector<std::byte> encode_log_start(const LogStart& start);
/// A record's head as a frame. Throws Error{bad_request} where it is longer than kLogHeadBytesMax.
[[nodiscard]] std::vector<std::byte> encode_log_head(const LogRecord& record);

/// Reads the body of a frame whose digest was checked. Both throw Error{corrupt}, and allocate no
/// more than the bytes that are there.
[[nodiscard]] LogStart decode_log_start(std::span<const std::byte> body);
[[nodiscard]] LogRecord decode_log_head(std::span<const std::byte> body);

}  // namespace cardswap::store
