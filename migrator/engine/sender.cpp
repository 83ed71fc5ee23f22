#include "migrator/engine/sender.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/device/digest_job.h"
#include "migrator/link/sealed_link.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRateEvery{200};
constexpr int kClockPings = 8;
/// A copy from a device is ahead of the line; where it is not, it is there in so long.
constexpr milliseconds kFetchPoll{1};

std::int64_t now_ns() { return Sender::Clock::now().time_since_epoch().count(); }

}  // namespace

Sender::Sender(const SourceOptions& options, SourceProgram& program, const SourceEvents& events,
               std::stop_token stop)
    : options_(options),
      program_(program),
      events_(events),
      stop_(std::move(stop)),
      cap_(options.spec.bandwidth),
      compressor_(options.spec.compression) {}

Sender::~Sender() { close(); }

void Sender::freeze(FrozenState state) {
  {
    const std::lock_guard lock(mutex_);
    freeze_request_ = std::move(state);
  }
  wake();
}

void Sender::wake() {
  const std::lock_guard lock(mutex_);
  if (link_) link_->wake();
}

// ---- what the target says

void Sender::on_control(PeerId, std::span<const std::byte> bytes) {
  liveness_.heard();
  auto message = data::decode(bytes);
  if (auto* refuse = std::get_if<data::Refuse>(&message)) {
    refused_ = Error(refuse->code, refuse->failure, refuse->hint);
  } else if (auto* accept = std::get_if<data::Accept>(&message)) {
    accepted_ = accept->chunks;
  } else if (auto* held = std::get_if<data::Held>(&message)) {
    take_held(std::move(*held));
  } else if (const auto* pong = std::get_if<data::Pong>(&message)) {
    take_pong(*pong);
  } else if (const auto* confirmed = std::get_if<data::Confirmed>(&message)) {
    confirmed_ = confirmed->root;
  } else if (const auto* replayed = std::get_if<data::Replayed>(&message)) {
    replayed_ = *replayed;
  } else if (auto* audited = std::get_if<data::Audited>(&message)) {
    if (audited->chunks.size() != chunks_.size()) {
      throw Error(Code::bad_request, "the target audited another number of chunks");
    }
    audited_ = std::move(*audited);
  } else {
    throw Error(Code::bad_request, "the target sent a message that only a source sends");
  }
}

std::span<std::byte> Sender::place_for(PeerId, std::span<const std::byte>, std::size_t) {
  throw Error(Code::bad_request, "the target sent a payload");
}

void Sender::on_lost(PeerId, std::string_view why) {
  refused_ = Error(accepted_ ? Code::link_lost : Code::unreachable,
                   fmt::format("data link to {}: {}", peer(), why),
                   "the job goes on where it is; look at the target's agent and the network");
}

void Sender::take_held(data::Held held) {
  for (const auto& [chunk, digest] : held.chunks) {
    held_.at(static_cast<std::size_t>(chunk)) = digest;
  }
  held_values_ = held.values;
  answered_round_ = held.round;
  answered_final_ = held.final;
}

void Sender::take_pong(const data::Pong& pong) {
  const auto now = now_ns();
  const auto round_trip = now - pong.sent_ns;
  if (round_trip < 0) return;
  ++pongs_;
  if (best_round_trip_ns_ && *best_round_trip_ns_ <= round_trip) return;
  best_round_trip_ns_ = round_trip;
  clock_offset_ns_ = pong.target_ns - (pong.sent_ns + round_trip / 2);
}

// ---- the line

std::string Sender::peer() const { return link_address(options_.host, options_.port); }

void Sender::connect() {
  const auto start = Clock::now();
  stats_.phase = "connect";
  state_view_ = program_.state_view();
  enter(state_view_.devices);  // before a link looks for them
  auto link = connect_link(options_.host, options_.port, options_.transports, options_.data_key,
                           *this, options_.peers);
  {
    const std::lock_guard lock(mutex_);
    link_ = std::move(link);
  }
  stagings_.emplace(*link_, options_.spec.chunk_bytes);
  liveness_.heard();
  note_card_path();
  chunks_ = cut_into_chunks(state_view_.layout, options_.spec.chunk_bytes);
  held_.assign(chunks_.size(), std::nullopt);
  send(data::Knock{data::kMagic, data::kVersion, options_.migration, options_.token});
  send(data::Hello{data::kMagic, data::kVersion, options_.migration, options_.token,
                   options_.spec.chunk_bytes, want_held(), state_view_.layout});
  await_layout_answer();
  for (int i = 0; i < kClockPings; ++i) {
    const auto before = pongs_;
    send(data::Ping{now_ns()});
    progress_until([&] { return pongs_ != before; });
  }
  stats_.setup_time_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  stats_.total = state_view_.layout.total_bytes();
}

void Sender::await_layout_answer() {
  accepted_.reset();
  answered_round_.reset();
  progress_until([this] { return accepted_.has_value(); });
  if (*accepted_ != chunks_.size()) {
    throw Error(Code::layout_differs, "the target cuts the state into other chunks");
  }
  if (want_held()) progress_until([this] { return answered_round_.has_value(); });
}

void Sender::progress_once(Clock::time_point deadline) {
  if (stop_.stop_requested()) throw Error(Code::cancelled, "the migration was cancelled");
  take_freeze_request();
  const auto now = Clock::now();
  if (now >= ping_due_) {
    ping_due_ = now + kHeartbeat;
    send(data::Ping{now_ns()});
  }
  const auto in_flight = link_->bulk_in_flight();
  link_->wait(std::min(deadline, ping_due_));
  if (link_->bulk_in_flight() < in_flight) liveness_.heard();
  take_freeze_request();
  if (refused_) throw Error(*refused_);
  if (liveness_.elapsed(Clock::now()) > options_.silence_max) {
    throw Error(
        Code::link_lost,
        fmt::format("nothing was heard from {} for {} ms", peer(), options_.silence_max.count()),
        "the job goes on where it is; look at the target's agent and the network");
  }
}

void Sender::take_freeze_request() {
  const std::lock_guard lock(mutex_);
  if (freeze_request_) frozen_ = std::exchange(freeze_request_, std::nullopt);
}

void Sender::send(const data::Message& message) {
  link_->send_control(kServer, data::encode(message));
}

void Sender::send_payload(const data::BulkHeader& header, Fetched fetched, std::uint8_t element,
                          bool ignore_cap) {
  auto& [payload, owner, ticket, planes] = fetched;
  auto now = Clock::now();
  if (link_->bulk_in_flight() == 0 && cap_.ready_at(now) <= now) {  // nothing kept the line busy
    busy_since_ = now;
    busy_bytes_ = 0;
  }
  wait_for_a_slot(ignore_cap);
  data::Packing packing;
  if (planes != 1) packing = {Codec::planes, planes, static_cast<std::uint32_t>(payload.size())};
  if (auto packed = compressor_.pack(payload, element, bare_link_rate(), planes)) {
    packing = {packed->codec, element, static_cast<std::uint32_t>(payload.size())};
    const auto bytes = std::make_shared<std::vector<std::byte>>(std::move(packed->bytes));
    payload = *bytes;
    owner = bytes;
    stats_.compression = to_string(packed->codec);
  }
  stats_.compression_ratio = compressor_.ratio();
  now = Clock::now();
  link_->send_bulk(kServer, data::encode(header, packing), payload, std::move(owner));
  cap_.sent(payload.size(), now);
  stats_.transferred += payload.size();
  if (frozen_) stats_.bytes_in_downtime += payload.size();
  // The rate is that of stretches in which the line was never idle.
  busy_bytes_ += payload.size();
  if (now - busy_since_ < kRateEvery) return;
  rate_.add(busy_bytes_, now - busy_since_);
  stats_.rate = static_cast<std::uint64_t>(bare_link_rate());
  busy_since_ = now;
  busy_bytes_ = 0;
}

ReadAhead Sender::read_ahead(Fence after) {
  // What is packed passes through the host's memory; on a fast link nothing is.
  const auto as_it_is = [this] {
    return options_.spec.compression == Compression::off ||
           (options_.spec.compression == Compression::automatic &&
            bare_link_rate() > kPackedRateMax);
  };
  return {*stagings_, std::move(after), as_it_is, compressor_};
}

Fetched Sender::await(ReadAhead& ahead) {
  std::optional<Fetched> fetched;
  progress_until(
      [&] {
        fetched = ahead.next();
        return fetched.has_value();
      },
      kFetchPoll);
  return std::move(*fetched);
}

void Sender::wait_until_payloads_are_sent() {
  progress_until([this] { return link_->bulk_in_flight() == 0; });
  note_rate();
}

void Sender::note_rate() {
  if (busy_bytes_ == 0) return;
  rate_.add(busy_bytes_, Clock::now() - busy_since_);
  stats_.rate = static_cast<std::uint64_t>(bare_link_rate());
  busy_bytes_ = 0;
}

void Sender::wait_for_a_slot(bool ignore_cap) {
  // A capped or slow link must not have seconds of chunks queued in front of a heartbeat.
  const auto rate = bare_link_rate();
  const auto window =
      rate == 0
          ? kPayloadsUnderWayMax
          : std::clamp<std::size_t>(static_cast<std::size_t>(
                                        rate / 10 / static_cast<double>(options_.spec.chunk_bytes)),
                                    2, kPayloadsUnderWayMax);
  progress_until([&] { return link_->bulk_in_flight() < window; });
  for (auto ready = cap_.ready_at(Clock::now());
       ready > Clock::now() && (ignore_cap || !frozen_);) {
    progress_once(ready);
  }
}

void Sender::close() noexcept {
  std::unique_ptr<Link> link;
  {
    const std::lock_guard lock(mutex_);
    link = std::move(link_);
  }
  if (!link) return;
  try {
    link->send_control(kServer, data::encode(data::Bye{"the source ended the migration"}));
    const auto deadline = Clock::now() + milliseconds(100);
    while (link->control_in_flight() != 0 && Clock::now() < deadline) link->wait(deadline);
  } catch (const std::exception&) {
    // The peer is gone; it notices by itself.
  }
}

// ---- the state

bool Sender::refresh(StateView now) {
  const bool same = now.layout == state_view_.layout;
  if (same) {
    state_view_ = std::move(now);
    return false;
  }
  wait_until_payloads_are_sent();  // they belong to the layout that the target still has
  state_view_ = std::move(now);
  chunks_ = cut_into_chunks(state_view_.layout, options_.spec.chunk_bytes);
  held_.assign(chunks_.size(), std::nullopt);
  stats_.total = state_view_.layout.total_bytes();
  send(data::LayoutChanged{want_held(), state_view_.layout});
  await_layout_answer();
  return true;
}

/// The caller sends nothing meanwhile: what is under way is of updates and chunks that the target
/// waits for first.
void Sender::amend(StateView now, std::uint64_t updates, std::uint64_t base_chunks) {
  accepted_.reset();
  send(data::LayoutAmended{updates, base_chunks, now.layout});
  // Until then what the target says is of the former layout.
  progress_until([this] { return accepted_.has_value(); });
  auto chunks = cut_into_chunks(now.layout, options_.spec.chunk_bytes);
  if (*accepted_ != chunks.size()) {
    throw Error(Code::layout_differs, "the target cuts the state into other chunks");
  }
  held_ = carried_over(held_, chunks_, chunks, kept_regions(state_view_.layout, now.layout));
  chunks_ = std::move(chunks);
  state_view_ = std::move(now);
  stats_.total = state_view_.layout.total_bytes();
}

std::vector<Digest> Sender::scan(unsigned threads) {
  const auto start = Clock::now();
  DigestJob job(ranges_of(state_view_, chunks_), state_view_.fence, threads, [this] { wake(); });
  progress_until([&] { return job.done(); });
  digest_rate_.add(job.bytes(), Clock::now() - start);
  return job.digests();
}

std::vector<ChunkId> Sender::differing(const std::vector<Digest>& now) const {
  std::vector<ChunkId> result;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (held_[i] != now[i]) result.push_back(static_cast<ChunkId>(i));
  }
  return result;
}

std::uint64_t Sender::bytes_in(const std::vector<ChunkId>& chunks) const {
  std::uint64_t sum = 0;
  for (const auto chunk : chunks) sum += chunks_[static_cast<std::size_t>(chunk)].bytes;
  return sum;
}

void Sender::send_round(const std::vector<ChunkId>& chunks, bool final, std::uint64_t updates) {
  const auto round = ++rounds_sent_;
  stats_.remaining = bytes_in(chunks);
  auto ahead = read_ahead(state_view_.fence);
  for (const auto chunk : chunks) {
    const auto& span = chunks_[static_cast<std::size_t>(chunk)];
    ahead.want(range_of(state_view_, span), element_of(span.region));
  }
  std::uint32_t sent = 0;
  for (const auto chunk : chunks) {
    if (!final && frozen_) break;
    const auto& span = chunks_[static_cast<std::size_t>(chunk)];
    send_payload(data::ChunkHeader{chunk, round}, await(ahead), element_of(span.region), final);
    held_[static_cast<std::size_t>(chunk)].reset();
    ++sent;
    stats_.remaining -= span.bytes;
    report_progress(false);
  }
  progress_until([this] { return link_->bulk_in_flight() == 0; });
  answered_round_.reset();
  send(data::RoundEnd{round, sent, final, updates});
  progress_until([&] { return answered_round_ == round && answered_final_ == final; });
  note_rate();  // to the answer: what was sent last may have gone no further than a buffer
}

}  // namespace cardswap
