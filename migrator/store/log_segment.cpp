#include "migrator/store/log_segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"

namespace cardswap::store {

LogSegmentReader::LogSegmentReader(Store& in, std::string name)
    : store_(in), name_(std::move(name)) {
  const auto size = store_.size_of(name_);
  if (!size) throw Error(Code::not_found, fmt::format("{}: there is no such object", name_));
  bytes_ = *size;
  const auto magic = bytes_at(0, std::min<std::uint64_t>(bytes_, kLogMagicBytes));
  const auto wanted = encode_log_start({});
  if (!std::ranges::equal(magic, std::span(wanted).first(kLogMagicBytes))) {
    throw damaged("its beginning is that of no segment");
  }
  const auto body = frame_at(kLogMagicBytes, kLogStartBytesMax);
  at_ = kLogMagicBytes + kLogFrameBytes + body.size();
  try {
    start_ = decode_log_start(body);
  } catch (const Error& error) {
    throw damaged(error.failure());
  }
}

Error LogSegmentReader::damaged(std::string_view what) const {
  return {Code::corrupt, fmt::format("{}: {}", name_, what)};
}

std::vector<std::byte> LogSegmentReader::bytes_at(std::uint64_t at, std::uint64_t bytes) {
  if (at > bytes_ || bytes > bytes_ - at) throw damaged("it ends too early");
  std::vector<std::byte> result(bytes);
  if (store_.read(name_, at, result) != bytes) throw damaged("it is shorter than its size");
  return result;
}

std::vector<std::byte> LogSegmentReader::frame_at(std::uint64_t at, std::size_t bytes_max) {
  const auto size = wire::WireReader(bytes_at(at, 4)).u32();
  if (size > bytes_max) throw damaged("a part of it is longer than allowed");
  auto body = bytes_at(at + 4, size);
  if (wire::WireReader(bytes_at(at + 4 + size, sizeof(Digest))).digest() != digest_of(body)) {
    throw damaged(fmt::format("the bytes from {} on are not those that were written", at));
  }
  return body;
}

std::optional<PlacedRecord> LogSegmentReader::next() {
  if (at_ == bytes_) return std::nullopt;
  const auto body = frame_at(at_, kLogHeadBytesMax);
  PlacedRecord placed;
  try {
    placed.record = decode_log_head(body);
  } catch (const Error& error) {
    throw damaged(error.failure());
  }
  placed.payload_at = at_ + kLogFrameBytes + body.size();
  const auto payload = placed.record.payload_bytes();
  if (payload > bytes_ - placed.payload_at) {
    throw damaged(fmt::format("it ends within step {}", placed.record.step));
  }
  at_ = placed.payload_at + payload;
  return placed;
}

void LogSegmentReader::read_payload(const PlacedRecord& placed, const TakePiece& take,
                                    std::size_t count) {
  auto at = placed.payload_at;
  const auto pieces = placed.record.pieces();
  for (std::size_t i = 0; i < std::min(count, pieces.size()); ++i) {
    auto bytes = bytes_at(at, pieces[i].bytes);
    if (digest_of(bytes) != pieces[i].digest) {
      throw damaged(fmt::format("the bytes of step {} from {} on are not those that were written",
                                placed.record.step, at));
    }
    at += bytes.size();
    take(i, std::move(bytes));
  }
}

}  // namespace cardswap::store
