#include "migrator/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "migrator/digest_job.h"
#include "migrator/link.h"
#include "migrator/planner.h"
#include "migrator/rate.h"
#include "migrator/wire/messages.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kHeartbeat{500};
constexpr milliseconds kProgressEvery{100};
constexpr milliseconds kBoundaryPoll{2};
constexpr std::size_t kChunksInFlight = 12;
constexpr int kClockPings = 8;
constexpr int kResendsMax = 3;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

}  // namespace

/// One migration's sending end, written as the straight line that it is; everything but freeze()
/// runs on `thread_`.
class Source::Engine final : private LinkEvents {
 public:
  Engine(SourceOptions options, SourceProgram& program, SourceEvents events)
      : options_(std::move(options)),
        program_(program),
        events_(std::move(events)),
        cap_(options_.bandwidth),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  ~Engine() override {
    thread_.request_stop();
    wake();
    thread_.join();
  }

  void freeze(FrozenState state) {
    {
      const std::lock_guard lock(mutex_);
      freeze_request_ = std::move(state);
    }
    wake();
  }

 private:
  // ---- LinkEvents, on the engine's thread

  void on_control(PeerId, std::span<const std::byte> bytes) override {
    heard_at_ = Clock::now();
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
    } else {
      throw Error(Code::bad_request, "the target sent a message that only a source sends");
    }
  }
  std::span<std::byte> place_for(PeerId, std::span<const std::byte>, std::size_t) override {
    throw Error(Code::bad_request, "the target sent a chunk");
  }
  void on_landed(PeerId, std::span<const std::byte>) override {}
  void on_lost(PeerId, std::string_view why) override {
    refused_ = Error(accepted_ ? Code::link_lost : Code::unreachable,
                     fmt::format("data link to {}: {}", peer(), why),
                     "the job goes on where it is; look at the target's agent and the network");
  }

  void take_held(data::Held held) {
    for (const auto& [chunk, digest] : held.chunks) {
      held_.at(static_cast<std::size_t>(chunk)) = digest;
    }
    held_values_ = held.values;
    answered_round_ = held.round;
    answered_final_ = held.final;
  }

  void take_pong(const data::Pong& pong) {
    const auto now = now_ns();
    const auto round_trip = now - pong.sent_ns;
    if (round_trip < 0) return;
    ++pongs_;
    if (best_round_trip_ns_ && *best_round_trip_ns_ <= round_trip) return;
    best_round_trip_ns_ = round_trip;
    clock_offset_ns_ = pong.target_ns - (pong.sent_ns + round_trip / 2);
  }

  // ---- the line

  void run(const std::stop_token& stop) {
    stop_ = &stop;
    try {
      connect();
      if (options_.strategy != Strategy::stop_copy) {
        while (!frozen_ && !stop.stop_requested()) round();
      } else {
        expect_downtime(snapshot_.layout.total_bytes());
        report_converged();
        pump([this] { return frozen_.has_value(); });
      }
      if (frozen_) finish_frozen();
      pump([&] { return stop.stop_requested(); });
    } catch (const Error& error) {
      if (!stop.stop_requested() && events_.failed) events_.failed(named(error));
    } catch (const std::exception& error) {
      if (!stop.stop_requested() && events_.failed) {
        events_.failed(named(Error(Code::internal, error.what())));
      }
    }
    close();
  }

  [[nodiscard]] Error named(const Error& error) const {
    return error.within(fmt::format("migration {} to {}", options_.migration, peer()));
  }
  [[nodiscard]] std::string peer() const {
    return fmt::format("{}:{}", options_.host, options_.port);
  }

  void connect() {
    const auto start = Clock::now();
    if (options_.strategy == Strategy::replay) {
      throw Error(Code::bad_request, "the strategy 'replay' is not built in",
                  "use auto, rounds or stop-copy");
    }
    stats_.phase = "connect";
    auto link = connect_link(options_.host, options_.port, options_.transports, *this);
    {
      const std::lock_guard lock(mutex_);
      link_ = std::move(link);
    }
    heard_at_ = Clock::now();
    snapshot_ = program_.snapshot();
    chunks_ = cut_into_chunks(snapshot_.layout, options_.chunk_bytes);
    held_.assign(chunks_.size(), std::nullopt);
    send(data::Hello{data::kMagic, data::kVersion, options_.migration, options_.token,
                     options_.chunk_bytes, want_held(), snapshot_.layout});
    await_layout_answer();
    for (int i = 0; i < kClockPings; ++i) {
      const auto before = pongs_;
      send(data::Ping{now_ns()});
      pump([&] { return pongs_ != before; });
    }
    stats_.setup_time_ms = ms_since(start);
    stats_.total = snapshot_.layout.total_bytes();
  }

  [[nodiscard]] bool want_held() const { return options_.strategy != Strategy::stop_copy; }

  void await_layout_answer() {
    accepted_.reset();
    answered_round_.reset();
    pump([this] { return accepted_.has_value(); });
    if (*accepted_ != chunks_.size()) {
      throw Error(Code::layout_differs, "the target cuts the state into other chunks");
    }
    if (want_held()) pump([this] { return answered_round_.has_value(); });
  }

  /// Takes the program's memory as of now; tells the target when it is another layout.
  void refresh(Snapshot now) {
    const bool same = now.layout == snapshot_.layout;
    snapshot_ = std::move(now);
    if (same) return;
    chunks_ = cut_into_chunks(snapshot_.layout, options_.chunk_bytes);
    held_.assign(chunks_.size(), std::nullopt);
    stats_.total = snapshot_.layout.total_bytes();
    send(data::LayoutChanged{want_held(), snapshot_.layout});
    await_layout_answer();
  }

  /// One comparison and the chunks that differ. At most one a step: nothing changes in between.
  void round() {
    stats_.phase = stats_.rounds == 0 ? "base_copy" : "rounds";
    if (stats_.rounds > 0) {
      pump([this] { return frozen_ || program_.step() > scanned_at_step_; }, kBoundaryPoll);
      if (frozen_) return;
    }
    scanned_at_step_ = program_.step();
    refresh(program_.snapshot());
    const auto now = scan(1);
    const auto dirty = differing(now);
    std::uint64_t dirty_bytes = 0;
    for (const auto chunk : dirty) dirty_bytes += span_of(chunk).bytes;
    if (stats_.rounds > 0) {
      const auto seconds = ms_since(last_scan_) / 1e3;
      stats_.dirty_rate =
          static_cast<std::uint64_t>(static_cast<double>(dirty_bytes) / std::max(seconds, 1e-3));
      expect_downtime(dirty_bytes);
      if (should_freeze({options_.max_downtime_ms, stats_.expected_downtime_ms, dirty_bytes,
                         dirty_bytes_before_})) {
        report_converged();
      }
      dirty_bytes_before_ = dirty_bytes;
    }
    last_scan_ = Clock::now();
    send_round(dirty, dirty_bytes, false);
    ++stats_.rounds;
    if (stats_.rounds == 1) {
      // Nothing is known yet of what a step changes; assume the whole of what was just sent.
      expect_downtime(dirty_bytes);
    }
    progress(true);
  }

  void expect_downtime(std::uint64_t dirty_bytes) {
    Measurements measured;
    measured.state_bytes = snapshot_.layout.total_bytes();
    measured.dirty_bytes = dirty_bytes;
    measured.link_rate = rate_.bytes_per_s();
    if (cap_.bytes_per_s() != 0) {
      const auto capped = static_cast<double>(cap_.bytes_per_s());
      measured.link_rate = measured.link_rate == 0 ? capped : std::min(capped, measured.link_rate);
    }
    measured.digest_rate = digest_rate_.bytes_per_s();
    measured.round_trip_ms = static_cast<double>(best_round_trip_ns_.value_or(0)) / 1e6;
    stats_.expected_downtime_ms = expected_downtime_ms(measured);
  }

  void report_converged() {
    if (std::exchange(converged_, true)) return;
    progress(true);
    if (events_.converged) events_.converged(stats_.expected_downtime_ms);
  }

  std::vector<Digest> scan(unsigned threads) {
    const auto start = Clock::now();
    DigestJob job(bytes_of(snapshot_, chunks_), threads, [this] { wake(); });
    pump([&] { return job.done(); });
    digest_rate_.add(job.bytes(), Clock::now() - start);
    return job.digests();
  }

  [[nodiscard]] std::vector<ChunkId> differing(const std::vector<Digest>& now) const {
    std::vector<ChunkId> result;
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (held_[i] != now[i]) result.push_back(static_cast<ChunkId>(i));
    }
    return result;
  }
  [[nodiscard]] const ChunkSpan& span_of(ChunkId chunk) const {
    return chunks_[static_cast<std::size_t>(chunk)];
  }

  /// Sends `dirty` and waits until the target has digested what landed. While the program trains,
  /// a freeze cuts the round short: the frozen scan finds what was left out.
  void send_round(const std::vector<ChunkId>& dirty, std::uint64_t dirty_bytes, bool final) {
    const auto round = ++rounds_sent_;
    const auto start = Clock::now();
    stats_.remaining = dirty_bytes;
    std::uint32_t sent = 0;
    std::uint64_t sent_bytes = 0;
    for (const auto chunk : dirty) {
      wait_for_a_slot(final);
      if (!final && frozen_) break;
      const auto& span = span_of(chunk);
      link_->send_bulk(
          kServer, data::encode(data::ChunkHeader{chunk, round}),
          snapshot_.memory[static_cast<std::size_t>(span.region)].subspan(span.offset, span.bytes));
      cap_.sent(span.bytes, Clock::now());
      held_[static_cast<std::size_t>(chunk)].reset();
      ++sent;
      sent_bytes += span.bytes;
      stats_.transferred += span.bytes;
      stats_.remaining -= span.bytes;
      progress(false);
    }
    pump([this] { return link_->bulk_in_flight() == 0; });
    rate_.add(sent_bytes, Clock::now() - start);
    stats_.rate = static_cast<std::uint64_t>(rate_.bytes_per_s());
    if (final) stats_.bytes_in_downtime += sent_bytes;
    answered_round_.reset();
    send(data::RoundEnd{round, sent, final});
    pump([&] { return answered_round_ == round && answered_final_ == final; });
  }

  void wait_for_a_slot(bool final) {
    // A capped or slow link must not have seconds of chunks queued in front of a heartbeat.
    const auto window =
        cap_.bytes_per_s() == 0
            ? kChunksInFlight
            : std::clamp<std::size_t>(cap_.bytes_per_s() / 10 / options_.chunk_bytes, 2,
                                      kChunksInFlight);
    pump([&] { return link_->bulk_in_flight() < window; });
    for (auto ready = cap_.ready_at(Clock::now()); ready > Clock::now() && (final || !frozen_);) {
      pump_once(ready);
    }
  }

  void finish_frozen() {
    stats_.phase = "frozen";
    progress(true);
    auto start = Clock::now();
    send(data::FreezeBegin{});
    refresh(frozen_->snapshot);
    const auto now = scan(std::max(1U, std::thread::hardware_concurrency()));
    stats_.freeze_scan_ms = ms_since(start);
    const auto values = digest_of(frozen_->values);
    send(data::Values{frozen_->step, frozen_->last_step_end_ns + clock_offset_ns_,
                      best_round_trip_ns_.value_or(0) / 2, frozen_->values});
    stats_.bytes_in_downtime += frozen_->values.size();
    stats_.transferred += frozen_->values.size();
    start = Clock::now();
    for (int attempt = 0;; ++attempt) {
      const auto dirty = differing(now);
      std::uint64_t dirty_bytes = 0;
      for (const auto chunk : dirty) dirty_bytes += span_of(chunk).bytes;
      send_round(dirty, dirty_bytes, true);
      if (attempt == 0) {
        stats_.freeze_send_ms = ms_since(start);
        start = Clock::now();
        stats_.phase = "verify";
      }
      if (held_values_ != values) {
        throw Error(Code::digest_mismatch,
                    "the standby does not hold the counters, RNG and options that were sent",
                    "its program restores a tracked value differently than it saves it");
      }
      if (differing(now).empty()) break;
      if (attempt == kResendsMax) {
        throw Error(Code::digest_mismatch,
                    fmt::format("{} chunks still differ after they were sent {} times",
                                differing(now).size(), kResendsMax + 1),
                    "something else writes to the standby's memory, or the link damages bytes");
      }
    }
    const auto root = data::root_of(snapshot_.layout, now, values);
    send(data::Equal{root});
    pump([this] { return confirmed_.has_value(); });
    if (*confirmed_ != root) {
      throw Error(Code::digest_mismatch, "the target confirmed another state's digest");
    }
    stats_.freeze_verify_ms = ms_since(start);
    progress(true);
    if (events_.verified) events_.verified(root, stats_);
  }

  // ---- waiting

  /// Keeps the link alive until `until()`; throws what ended it otherwise.
  template <class Condition>
  void pump(Condition until, milliseconds poll = kHeartbeat) {
    while (!until()) pump_once(Clock::now() + poll);
  }

  void pump_once(Clock::time_point deadline) {
    if (stop_->stop_requested()) throw Error(Code::cancelled, "the migration was cancelled");
    take_freeze_request();
    const auto now = Clock::now();
    if (now >= ping_due_) {
      ping_due_ = now + kHeartbeat;
      send(data::Ping{now_ns()});
    }
    const auto in_flight = link_->bulk_in_flight();
    link_->wait(std::min(deadline, ping_due_));
    if (link_->bulk_in_flight() < in_flight) heard_at_ = Clock::now();
    take_freeze_request();
    if (refused_) throw Error(*refused_);
    if (Clock::now() - heard_at_ > options_.silence_max) {
      throw Error(
          Code::link_lost,
          fmt::format("nothing was heard from {} for {} ms", peer(), options_.silence_max.count()),
          "the job goes on where it is; look at the target's agent and the network");
    }
  }

  void take_freeze_request() {
    const std::lock_guard lock(mutex_);
    if (freeze_request_) frozen_ = std::exchange(freeze_request_, std::nullopt);
  }

  void send(const data::Message& message) { link_->send_control(kServer, data::encode(message)); }

  void wake() {
    const std::lock_guard lock(mutex_);
    if (link_) link_->wake();
  }

  void progress(bool always) {
    const auto now = Clock::now();
    if (!always && now < progress_due_) return;
    progress_due_ = now + kProgressEvery;
    stats_.median_step_ms = program_.median_step_ms();
    if (events_.progress) events_.progress(stats_);
  }

  /// Says goodbye if there is anybody to hear it, and lets go of the link on this thread.
  void close() noexcept {
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

  const SourceOptions options_;
  SourceProgram& program_;
  const SourceEvents events_;

  std::mutex mutex_;  // guards the next two
  std::optional<FrozenState> freeze_request_;
  std::unique_ptr<Link> link_;  // set and reset by the engine's thread, which reads it unlocked

  const std::stop_token* stop_ = nullptr;
  std::optional<FrozenState> frozen_;
  Snapshot snapshot_;
  std::vector<ChunkSpan> chunks_;
  std::vector<std::optional<Digest>> held_;
  std::optional<Digest> held_values_;
  std::optional<std::uint32_t> accepted_;
  std::optional<std::uint32_t> answered_round_;
  bool answered_final_ = false;
  std::optional<Digest> confirmed_;
  std::optional<Error> refused_;
  bool converged_ = false;
  std::uint32_t rounds_sent_ = 0;
  std::uint64_t scanned_at_step_ = 0;
  std::uint64_t dirty_bytes_before_ = 0;
  Clock::time_point last_scan_{};
  Clock::time_point heard_at_{};
  Clock::time_point ping_due_{};
  Clock::time_point progress_due_{};
  std::uint64_t pongs_ = 0;
  std::optional<std::int64_t> best_round_trip_ns_;
  std::int64_t clock_offset_ns_ = 0;
  RateCap cap_;
  RateMeter rate_;
  RateMeter digest_rate_;
  MigrationStats stats_;
  std::jthread thread_;
};

Source::Source(SourceOptions options, SourceProgram& program, SourceEvents events)
    : engine_(std::make_unique<Engine>(std::move(options), program, std::move(events))) {}

Source::~Source() = default;

void Source::freeze(FrozenState state) { engine_->freeze(std::move(state)); }

}  // namespace cardswap
