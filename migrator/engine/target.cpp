#include "migrator/engine/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "migrator/core/liveness_timer.h"
#include "migrator/core/token.h"
#include "migrator/device/digest_job.h"
#include "migrator/engine/adopted_state.h"
#include "migrator/engine/landed_digests.h"
#include "migrator/engine/replay_job.h"
#include "migrator/engine/staging.h"
#include "migrator/engine/unpacker.h"
#include "migrator/link/link.h"
#include "migrator/link/sealed_link.h"
#include "migrator/wire/messages.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{500};

}  // namespace

/// One migration's receiving end. Events of the link note what came, and step() acts on it, in one
/// order whatever came together; only the places for payloads, and an update's memory, which its
/// gradients need at once, are made in the events.
class Target::Engine final : private LinkEvents {
 public:
  Engine(TargetOptions options, TargetProgram& program, TargetEvents events)
      : options_(std::move(options)),
        program_(program),
        events_(std::move(events)),
        link_(listen_link(options_.listen_host, options_.transports, options_.data_key, *this,
                          options_.peers)),
        port_(link_->port()),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  ~Engine() override {
    thread_.request_stop();
    link_->wake();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  // ---- LinkEvents

  void on_control(PeerId peer, std::span<const std::byte> bytes) override {
    auto message = data::decode(bytes);
    if (auto* hello = std::get_if<data::Hello>(&message)) return admit(peer, std::move(*hello));
    if (const auto* knock = std::get_if<data::Knock>(&message)) {
      if (may_enter(peer, knock->migration, knock->token)) link_->admit(peer);
      return;
    }
    if (peer != source_) return;  // not admitted: nothing it says counts
    liveness_.heard();
    if (auto* changed = std::get_if<data::LayoutChanged>(&message)) {
      new_layout_ = std::move(changed->layout);
      want_held_ = changed->want_held;
    } else if (auto* amended = std::get_if<data::LayoutAmended>(&message)) {
      amended_ = std::move(*amended);
    } else if (const auto* ping = std::get_if<data::Ping>(&message)) {
      send(data::Pong{ping->sent_ns, Clock::now().time_since_epoch().count()});
    } else if (const auto* end = std::get_if<data::RoundEnd>(&message)) {
      round_end_ = *end;
    } else if (auto* update = std::get_if<data::Update>(&message)) {
      updates_.add(std::move(*update), state_.layout().total_bytes(),
                   [this](ParameterId parameter, std::size_t bytes_of_it) {
                     return program_.device_of(parameter).allocate(bytes_of_it);
                   });
    } else if (std::holds_alternative<data::FreezeBegin>(message)) {
      freeze_began_ = true;
    } else if (auto* values = std::get_if<data::Values>(&message)) {
      values_ = std::move(*values);
    } else if (const auto* equal = std::get_if<data::Equal>(&message)) {
      equal_ = equal->root;
    } else if (const auto* bye = std::get_if<data::Bye>(&message)) {
      ended_ = Error(Code::cancelled, bye->reason);
    } else {
      throw Error(Code::bad_request, "the source sent a message that only a target sends");
    }
  }

  std::span<std::byte> place_for(PeerId peer, std::span<const std::byte> header,
                                 std::size_t bytes) override {
    if (peer != source_) throw Error(Code::unauthorized, "a payload before the token");
    liveness_.heard();
    const auto bulk = data::decode_bulk_header(header);
    const bool packed = bulk.packing.codec != Codec::none;
    const auto range = range_of_payload(bulk.what, packed ? bulk.packing.bytes : bytes);
    if (std::holds_alternative<data::ChunkHeader>(bulk.what)) state_.expects();
    // What is packed is unpacked by this host's processors: never straight into a card.
    const auto place = landings_.place_for(*stagings_, header, range, !packed);
    return packed ? unpacker_.expect(header, bytes, place) : place;
  }

  void on_landed(PeerId, std::span<const std::byte> header, std::size_t bytes) override {
    liveness_.heard();
    const auto bulk = data::decode_bulk_header(header);
    std::uint8_t planes = 1;
    if (bulk.packing.codec != Codec::none) {
      planes = landings_.planes_for(header, bulk.packing.element);
      bytes = unpacker_.landed(header, bulk.packing, planes);
    }
    landings_.landed(header, planes);
    if (const auto* gradient = std::get_if<data::GradientHeader>(&bulk.what)) {
      updates_.landed(*gradient, bytes);
      return;
    }
    state_.landed();
    const auto& chunk = std::get<data::ChunkHeader>(bulk.what);
    ++landed_in_[chunk.round];
    if (chunk.round == data::kBaseRound) return;
    if (!state_.has(chunk.chunk)) return;  // of a former layout
    landed_.push_back(chunk.chunk);
    landed_digests_.add(chunk.chunk, state_.range(chunk.chunk));
  }

  void on_lost(PeerId peer, std::string_view why) override {
    if (peer != source_) return;
    source_.reset();
    ended_ = Error(Code::link_lost, fmt::format("data link to the source: {}", why));
  }

  [[nodiscard]] bool admits() const override { return true; }

  MemoryRange range_of_payload(const data::BulkHeader& what, std::size_t bytes) {
    if (const auto* gradient = std::get_if<data::GradientHeader>(&what)) {
      return updates_.place_for(*gradient, bytes);
    }
    const auto chunk = std::get<data::ChunkHeader>(what).chunk;
    if (!state_.has(chunk) || bytes != state_.range(chunk).bytes.size()) {
      throw Error(Code::bad_request, "a chunk that this target does not expect");
    }
    return state_.range(chunk);
  }

  // ---- acting

  void run(const std::stop_token& stop) {
    try {
      enter(options_.devices);
      while (!stop.stop_requested()) {
        link_->wait(Clock::now() + kTick);
        step();
      }
    } catch (...) {
      report(error_of(std::current_exception()));
    }
    landed_digests_.clear();
    digesting_.reset();
    replaying_.reset();
    while (!stop.stop_requested()) link_->wait(Clock::now() + kTick);
  }

  void report(const Error& error) {
    if (source_) {
      try {
        send(data::Refuse{error.code(), error.failure(), error.hint()});
      } catch (const std::exception&) {
        // The source learns of it by the closed link.
      }
    }
    if (events_.failed) {
      events_.failed(error.within(fmt::format("migration {}, target", options_.migration)));
    }
  }

  /// Whoever may not is told so.
  bool may_enter(PeerId peer, const std::string& migration, const std::string& token) {
    if (!source_ && same_token(token, options_.token) && migration == options_.migration) {
      return true;
    }
    // Not `send`: that one speaks to the admitted source.
    link_->send_control(
        peer, data::encode(data::Refuse{
                  Code::unauthorized,
                  source_ ? "this standby already has its source"
                          : "the token is not the one this standby was given for this migration",
                  "start the migration through the agents, with `cardswap migrate`"}));
    return false;
  }

  void admit(PeerId peer, data::Hello hello) {
    if (!may_enter(peer, hello.migration, hello.token)) return;
    link_->admit(peer);
    source_ = peer;
    liveness_.heard();
    chunk_bytes_ = hello.chunk_bytes;
    stagings_.emplace(*link_, chunk_bytes_);
    want_held_ = hello.want_held;
    new_layout_ = std::move(hello.layout);
  }

  void step() {
    if (ended_) throw Error(*ended_);
    if (source_ && liveness_.elapsed(Clock::now()) > options_.silence_max && !digesting_) {
      throw Error(Code::link_lost, fmt::format("nothing was heard from the source for {} ms",
                                               options_.silence_max.count()));
    }
    if (new_layout_) adopt(*std::exchange(new_layout_, std::nullopt));
    if (std::exchange(freeze_began_, false)) begin_full_digest();
    if (digesting_ && digesting_->done()) take_full_digest();
    if (replaying_ && replaying_->done()) finish_replay();
    if (amended_ && may_amend()) amend(std::exchange(amended_, std::nullopt)->layout);
    if (!replaying_ && !digesting_) begin_replay();
    const bool all_are_here = round_end_ && landed_in_[round_end_->round] == round_end_->chunks;
    const bool digested =
        !digesting_ && stagings_ && landed_digests_.advance(*stagings_, held_, all_are_here);
    if (all_are_here && digested) round_end_->final ? finish_final_round() : finish_round();
    if (equal_) confirm(*std::exchange(equal_, std::nullopt));
  }

  void begin_replay() {
    auto update = updates_.take(landed_in_[data::kBaseRound]);
    if (!update) return;
    fresh_ = false;
    stagings_->settle();
    replaying_.emplace(program_, std::move(*update), [this] { link_->wake(); });
  }

  void finish_replay() {
    replaying_->rethrow_failure();
    replayed_ = replaying_->update().number;
    audit_of_ = replaying_->update().audit ? replayed_ : 0;
    send(data::Replayed{replayed_, replaying_->ms()});
    replaying_.reset();
    if (audit_of_ != 0) begin_full_digest();
  }

  /// Everything that is of the layout so far is here and done.
  [[nodiscard]] bool may_amend() {
    if (round_end_ || !landed_.empty()) {
      throw Error(Code::bad_request, "the layout was amended in the middle of a round");
    }
    return !replaying_ && !digesting_ && replayed_ >= amended_->updates &&
           landed_in_[data::kBaseRound] >= amended_->base_chunks;
  }

  /// Between two updates: they go on with what both layouts have.
  void amend(const Layout& wanted) {
    stagings_->settle();
    fresh_ = false;
    const auto former = state_.layout();
    const auto chunks = state_.chunks();
    state_.take(program_, wanted, chunk_bytes_, *link_);
    held_ = carried_over(held_, chunks, state_.chunks(), kept_regions(former, wanted));
    send(data::Accept{static_cast<std::uint32_t>(held_.size())});
  }

  void adopt(const Layout& wanted) {
    stagings_->settle();  // into memory that is still there
    updates_.clear();
    unpacker_.forget_places();
    landings_.forget_ranges();
    replaying_.reset();
    replayed_ = 0;
    audit_of_ = 0;
    landed_digests_.clear();
    digesting_.reset();  // both read the memory and count the chunks of the former layout
    amended_.reset();
    fresh_ = false;
    state_.take(program_, wanted, chunk_bytes_, *link_);
    held_.assign(state_.chunks().size(), Digest{});
    landed_.clear();
    landed_in_.clear();
    send(data::Accept{static_cast<std::uint32_t>(held_.size())});
    if (want_held_) {
      begin_full_digest();
      initial_ = true;
    }
  }

  /// Digests everything on threads of its own; chunks that land meanwhile are digested again.
  void begin_full_digest() {
    fresh_ = false;
    landed_.clear();
    landed_digests_.clear();
    stagings_->settle();
    if (replayed_ != 0) state_.look_again(program_, *link_);
    digesting_.emplace(state_.ranges(), Fence{}, std::max(1U, std::thread::hardware_concurrency()),
                       [this] { link_->wake(); });
  }

  void take_full_digest() {
    held_ = digesting_->digests();
    digesting_.reset();
    fresh_ = true;
    if (std::exchange(initial_, false)) send_held(0, false, state_.all_chunks(), {});
    if (audit_of_ == 0) return;
    send(data::Audited{std::exchange(audit_of_, 0), held_});
    fresh_ = false;
  }

  void finish_round() {
    const auto end = *std::exchange(round_end_, std::nullopt);
    landed_in_.erase(end.round);
    send_held(end.round, false, std::exchange(landed_, {}), {});
    fresh_ = false;
  }

  /// The state is whole if the source agrees: say what is held, all of it, values included.
  void finish_final_round() {
    if (!values_ || replayed_ < round_end_->updates) return;
    if (!fresh_) {
      begin_full_digest();
      return;
    }
    const auto end = *std::exchange(round_end_, std::nullopt);
    landed_in_.erase(end.round);
    landed_.clear();
    held_values_ = digest_of(program_.apply_values(values_->values));
    send_held(end.round, true, state_.all_chunks(), held_values_);
  }

  void confirm(const Digest& root) {
    if (!values_ || !(data::root_of(state_.layout(), held_, held_values_) == root)) {
      throw Error(Code::digest_mismatch, "the source's digest is not this standby's");
    }
    if (events_.verified) {
      events_.verified({root, values_->step, values_->last_step_end_ns, values_->clock_error_ns});
    }
    send(data::Confirmed{root});
  }

  void send_held(std::uint32_t round, bool final, const std::vector<ChunkId>& chunks,
                 const Digest& values) {
    data::Held held{round, final, {}, values};
    held.chunks.reserve(chunks.size());
    for (const auto chunk : chunks) {
      held.chunks.emplace_back(chunk, held_[static_cast<std::size_t>(chunk)]);
    }
    send(held);
  }

  void send(const data::Message& message) {
    if (source_) link_->send_control(*source_, data::encode(message));
  }

  const TargetOptions options_;
  TargetProgram& program_;
  const TargetEvents events_;

  std::optional<PeerId> source_;
  LivenessTimer liveness_;
  std::uint64_t chunk_bytes_ = 0;
  bool want_held_ = false;
  std::optional<Layout> new_layout_;
  std::optional<data::LayoutAmended> amended_;  // to be taken when its updates were replayed
  AdoptedState state_;
  std::vector<Digest> held_;
  std::vector<ChunkId> landed_;
  std::map<std::uint32_t, std::uint32_t> landed_in_;  // chunks that landed, by round
  UpdateQueue updates_;
  Unpacker unpacker_;
  Landings landings_;
  std::uint64_t replayed_ = 0;  // updates
  std::uint64_t audit_of_ = 0;  // the update after which everything is being digested
  std::optional<data::RoundEnd> round_end_;
  std::optional<data::Values> values_;
  Digest held_values_;
  std::optional<Digest> equal_;
  std::optional<Error> ended_;
  bool freeze_began_ = false;  // everything is to be digested
  bool initial_ = false;
  bool fresh_ = false;  // held_ was taken in full since the freeze or the layout

  std::optional<Stagings> stagings_;  // of link_, which may write to their buffers while it ends
  std::unique_ptr<Link> link_;
  LandedDigests landed_digests_{[this] { link_->wake(); }};  // dies before the link that it wakes
  std::optional<DigestJob> digesting_;                       // the same
  std::optional<ReplayJob> replaying_;                       // the same
  const std::uint16_t port_;
  std::jthread thread_;
};

Target::Target(TargetOptions options, TargetProgram& program, TargetEvents events)
    : engine_(std::make_unique<Engine>(std::move(options), program, std::move(events))) {}

Target::~Target() = default;

std::uint16_t Target::port() const { return engine_->port(); }

}  // namespace cardswap
