#include "migrator/store/log_format.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

namespace cardswap::store {
namespace {

constexpr std::string_view kLogMagic = "CSGLOG01";
constexpr std::size_t kLogTextMax = 255;
constexpr std::size_t kPieceBytes = 4 + 8 + sizeof(Digest);
constexpr std::size_t kUpdateBytesMin = 4 + 4 + 4;
/// Above all that a segment can have: sums of it do not overflow.
constexpr std::uint64_t kPieceBytesMax = std::uint64_t{1} << 50;

static_assert(kLogMagic.size() == kLogMagicBytes);

void write_pieces(wire::WireWriter& writer, const std::vector<LogPiece>& pieces) {
  writer.u32(static_cast<std::uint32_t>(pieces.size()));
  for (const auto& piece : pieces) writer.u32(piece.index).u64(piece.bytes).digest(piece.digest);
}

std::vector<LogPiece> read_pieces(wire::WireReader& reader) {
  std::vector<LogPiece> pieces(reader.count(kPieceBytes));
  for (auto& piece : pieces) {
    piece.index = reader.u32();
    piece.bytes = reader.u64();
    piece.digest = reader.digest();
    if (piece.bytes > kPieceBytesMax) throw Error(Code::bad_request, "a piece is absurdly long");
  }
  return pieces;
}

std::vector<std::byte> framed(wire::WireWriter body, std::size_t bytes_max) {
  const auto bytes = std::move(body).take();
  if (bytes.size() > bytes_max) {
    throw Error(Code::bad_request,
                fmt::format("a gradient log holds {} bytes of values and lists a step at most, "
                            "these are {}",
                            bytes_max, bytes.size()));
  }
  wire::WireWriter writer;
  writer.blob(bytes).digest(digest_of(bytes));
  return std::move(writer).take();
}

/// Has a reader's Error say what is damaged: it is about bytes of a store, not of a peer.
template <class Read>
auto as_log(std::string_view what, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(Code::corrupt, fmt::format("{}: {}", what, error.failure()));
  }
}

LogRecord read_head(wire::WireReader reader) {
  LogRecord record;
  record.step = reader.u64();
  if (reader.boolean()) record.root = reader.digest();
  const auto values = reader.blob(kLogHeadBytesMax);
  record.values.assign(values.begin(), values.end());
  record.regions = read_pieces(reader);
  record.updates.resize(reader.count(kUpdateBytesMin));
  for (auto& update : record.updates) {
    update.optimizer = reader.u32();
    const auto options = reader.blob(kLogHeadBytesMax);
    update.options.assign(options.begin(), options.end());
    update.gradients = read_pieces(reader);
  }
  reader.finish();
  return record;
}

}  // namespace

std::vector<LogPiece> LogRecord::pieces() const {
  auto all = regions;
  for (const auto& update : updates) {
    all.insert(all.end(), update.gradients.begin(), update.gradients.end());
  }
  return all;
}

std::uint64_t LogRecord::payload_bytes() const {
  std::uint64_t sum = 0;
  const auto add = [&sum](const LogPiece& piece) {
    const auto room = std::numeric_limits<std::uint64_t>::max() - sum;
    sum += piece.bytes < room ? piece.bytes : room;
  };
  for (const auto& piece : regions) add(piece);
  for (const auto& update : updates) {
    for (const auto& piece : update.gradients) add(piece);
  }
  return sum;
}

std::vector<std::byte> encode_log_start(const LogStart& start) {
  wire::WireWriter body;
  body.string(start.job).string(start.run).string(start.branch).u64(start.epoch);
  body.digest(start.layout).u32(start.chunk_bytes).string(start.writer);
  wire::WireWriter writer;
  writer.raw(std::as_bytes(std::span(kLogMagic))).raw(framed(std::move(body), kLogStartBytesMax));
  return std::move(writer).take();
}

std::vector<std::byte> encode_log_head(const LogRecord& record) {
  wire::WireWriter body;
  body.u64(record.step).boolean(record.root.has_value());
  if (record.root) body.digest(*record.root);
  body.blob(record.values);
  write_pieces(body, record.regions);
  body.u32(static_cast<std::uint32_t>(record.updates.size()));
  for (const auto& update : record.updates) {
    body.u32(update.optimizer).blob(update.options);
    write_pieces(body, update.gradients);
  }
  return framed(std::move(body), kLogHeadBytesMax);
}

LogStart decode_log_start(std::span<const std::byte> body) {
  return as_log("the segment's head", [&] {
    wire::WireReader reader(body);
    LogStart start;
    start.job = reader.string(kLogTextMax);
    start.run = reader.string(kLogTextMax);
    start.branch = reader.string(kLogTextMax);
    start.epoch = reader.u64();
    start.layout = reader.digest();
    start.chunk_bytes = reader.u32();
    start.writer = reader.string(kLogTextMax);
    reader.finish();
    return start;
  });
}

LogRecord decode_log_head(std::span<const std::byte> body) {
  return as_log("a record's head", [&] { return read_head(wire::WireReader(body)); });
}

}  // namespace cardswap::store
