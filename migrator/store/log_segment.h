#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "migrator/store/log_format.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// A record of a segment, and where its payload is.
struct PlacedRecord {
  LogRecord record;
  std::uint64_t payload_at = 0;  ///< from the segment's beginning
};

/// Reads a segment of a gradient log, record by record. No byte of it is trusted: a size is held
/// against what the object has before anything is allocated, and each part against its digest. The
/// object does not change: it was made as a whole. One thread; the store outlives this.
///
/// All calls throw Error{corrupt} with the object's name, and what Store::read() throws.
class LogSegmentReader {
 public:
  /// Reads its start. Throws also Error{not_found}.
  LogSegmentReader(Store& in, std::string name);

  [[nodiscard]] const LogStart& start() const { return start_; }
  /// The next record, without its payload. Nullopt: there is none.
  [[nodiscard]] std::optional<PlacedRecord> next();
  /// Reads the payload of a record of next(), and calls `take` for each piece, in the order of
  /// LogRecord::pieces(), once its digest was checked. `count`: the first so many alone.
  using TakePiece = std::function<void(std::size_t piece, std::vector<std::byte> bytes)>;
  void read_payload(const PlacedRecord& placed, const TakePiece& take,
                    std::size_t count = SIZE_MAX);

 private:
  [[nodiscard]] std::vector<std::byte> bytes_at(std::uint64_t at, std::uint64_t bytes);
  [[nodiscard]] std::vector<std::byte> frame_at(std::uint64_t at, std::size_t bytes_max);
  [[nodiscard]] Error damaged(std::string_view what) const;

  Store& store_;
  const std::string name_;
  std::uint64_t bytes_ = 0;  // of the object
  std::uint64_t at_ = 0;     // of the next record
  LogStart start_;
};

}  // namespace cardswap::store
