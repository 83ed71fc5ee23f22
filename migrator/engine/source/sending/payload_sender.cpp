#include "migrator/engine/source/sending/payload_sender.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// How often to look for a payload whose copy from its device is not done yet.
constexpr std::chrono::milliseconds kFetchPoll{1};
/// Payloads in flight keep the link busy for a tenth of a second.
constexpr double kWindowsASecond = 10;

}  // namespace

std::size_t payload_window(double rate, std::uint64_t chunk_bytes) {
  if (rate == 0) return kPayloadsInFlightMax;
  return std::clamp<std::size_t>(
      static_cast<std::size_t>(rate / kWindowsASecond / static_cast<double>(chunk_bytes)), 2,
      kPayloadsInFlightMax);
}

PayloadSender::PayloadSender(const SourceOptions& options, ConnectionToTarget& connection,
                             FrozenMailbox& freeze)
    : options_(options),
      connection_(connection),
      freeze_(freeze),
      stagings_([&connection](MemoryKind kind) { return connection.direct_bytes_min(kind); },
                options.spec.chunk_bytes),
      cap_(options.spec.bandwidth),
      compressor_(options.spec.compression) {}

ReadAhead PayloadSender::read_ahead(Fence after) {
  // A compressed payload passes through the host's memory. On a fast link no payload is compressed.
  const auto as_it_is = [this] {
    return options_.spec.compression == Compression::off ||
           (options_.spec.compression == Compression::automatic &&
            wire_rate() > kCompressedRateMax);
  };
  return {stagings_, std::move(after), as_it_is, compressor_};
}

StagedPayload PayloadSender::await(ReadAhead& ahead) {
  std::optional<StagedPayload> fetched;
  connection_.progress_until(
      [&] {
        fetched = ahead.next();
        return fetched.has_value();
      },
      kFetchPoll);
  return std::move(*fetched);
}

void PayloadSender::send(const data::PayloadHeader& header, StagedPayload fetched,
                         std::uint8_t element_bytes, CapRule rule) {
  auto& payload = fetched.bytes;
  auto& owner = fetched.owner;
  const ByteShuffle shuffle{element_bytes, fetched.shuffle.done};
  auto now = Clock::now();
  if (connection_.payloads_in_flight() == 0 && cap_.ready_at(now) <= now) meter_.begin(now);
  wait_for_a_slot(rule);
  data::PayloadEncoding encoding;
  const auto plain_bytes = static_cast<std::uint32_t>(payload.size());
  if (shuffle.done) encoding = {Codec::shuffled, element_bytes, plain_bytes};
  if (auto compressed = compressor_.compress(payload, shuffle, wire_rate())) {
    encoding = {compressed->codec, element_bytes, plain_bytes};
    const auto bytes = std::make_shared<std::vector<std::byte>>(std::move(compressed->bytes));
    payload = *bytes;
    owner = bytes;
    compressed_by_ = compressed->codec;
  }
  now = Clock::now();
  connection_.send_payload(data::encode(header, encoding), payload, std::move(owner));
  cap_.note_sent(payload.size(), now);
  bytes_sent_ += payload.size();
  if (freeze_.stands()) sent_in_downtime_ += payload.size();
  meter_.note_sent(payload.size(), now);
}

void PayloadSender::wait_until_sent() {
  connection_.progress_until([this] { return connection_.payloads_in_flight() == 0; });
  end_busy_period();
}

void PayloadSender::end_busy_period() { meter_.end(Clock::now()); }

void PayloadSender::wait_for_a_slot(CapRule rule) {
  const auto window = payload_window(wire_rate(), options_.spec.chunk_bytes);
  connection_.progress_until([&] { return connection_.payloads_in_flight() < window; });
  const auto is_capped = [&] { return rule == CapRule::always || !freeze_.has_arrived(); };
  const auto ready = cap_.ready_at(Clock::now());
  while (ready > Clock::now() && is_capped()) connection_.progress(ready);
}

double PayloadSender::wire_rate() const {
  const auto capped = static_cast<double>(cap_.bytes_per_s());
  const auto measured = meter_.bytes_per_s();
  if (capped == 0) return measured;
  return measured == 0 ? capped : std::min(capped, measured);
}

LinkStats PayloadSender::link_stats() const {
  return {.rate = wire_rate(),
          .ratio = compressor_.ratio(),
          .round_trip_ms = connection_.round_trip_ms(),
          .sent = bytes_sent_,
          .sent_in_downtime = sent_in_downtime_,
          .measured_rate = meter_.bytes_per_s() == 0 ? 0 : wire_rate(),
          .codec = compressed_by_};
}

void PayloadSender::take_measured_rate(double bytes_per_s) { meter_.reset_to(bytes_per_s); }

}  // namespace cardswap
