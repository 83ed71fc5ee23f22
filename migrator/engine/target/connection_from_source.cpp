// Order and threads. The engine's thread alternates between link_->wait(), which calls the events,
// and act(), which handles everything that came. Digests, replays and TargetProgram::adopt() run on
// threads of their own and wake the link when they are done; act() then finds them finished. While
// one of them runs, the orders that depend on it wait in orders_: a replay waits for a digest of
// everything and the reverse, a new layout waits for both, and the answer to a round waits for the
// digests of its chunks. act() also calls wait(), while the program adopts a layout. The events
// allow that; act() is never entered twice.
#include "migrator/engine/target/connection_from_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <type_traits>
#include <utility>
#include <variant>

#include "migrator/base/token.h"
#include "migrator/link/open_link.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{500};
/// While the program makes memory.
constexpr std::chrono::milliseconds kServeInterval{50};

}  // namespace

ConnectionFromSource::ConnectionFromSource(const TargetOptions& options, TargetProgram& program,
                                           const TargetCallbacks& callbacks)
    : options_(options),
      program_(program),
      callbacks_(callbacks),
      payloads_([this](MemoryKind kind) { return link_->direct_bytes_min(kind); }),
      state_(
          program, payloads_, [this] { link_->wake(); },
          [this] { link_->wait(Clock::now() + kServeInterval); }),
      updates_(program, [this] { link_->wake(); }),
      link_(listen_link(options.listen_host, {options.transports, options.allowed_addresses},
                        options.data_key, *this)) {}

void ConnectionFromSource::run(const std::stop_token& stop) {
  try {
    enter(options_.devices);
    while (!stop.stop_requested()) {
      link_->wait(Clock::now() + kTick);
      act();
    }
  } catch (...) {
    report(error_of(std::current_exception()));
  }
  state_.stop();
  updates_.stop();
  try {
    while (!stop.stop_requested()) link_->wait(Clock::now() + kTick);
  } catch (const std::exception&) {
    // The link itself is broken. Why it ends is told by now: the source learns of it by silence.
  }
}

void ConnectionFromSource::report(const Error& error) {
  if (source_) {
    try {
      send(data::Refused{error.code(), error.failure(), error.hint()});
    } catch (const std::exception&) {
      // The source learns of it by the closed link.
    }
  }
  if (callbacks_.failed) {
    callbacks_.failed(error.within(fmt::format("migration {}, target", options_.migration)));
  }
}

// ---- events

void ConnectionFromSource::on_control(LinkId peer, std::span<const std::byte> bytes) {
  auto message = data::decode(bytes);
  if (auto* hello = std::get_if<data::LayoutOffered>(&message))
    return admit(peer, std::move(*hello));
  if (const auto* knock = std::get_if<data::Authenticate>(&message)) {
    if (may_enter(peer, knock->migration, knock->token)) link_->admit(peer);
    return;
  }
  if (peer != source_) return;  // not admitted: nothing it says counts
  liveness_.note_contact(Clock::now());
  if (const auto* ping = std::get_if<data::Ping>(&message)) {
    send(data::Pong{ping->sent_ns, Clock::now().time_since_epoch().count()});
  } else if (auto* update = std::get_if<data::Update>(&message)) {
    updates_.add(std::move(*update), state_.chunks().layout().total_bytes());
  } else if (const auto* early = std::get_if<data::EarlyGradient>(&message)) {
    updates_.add(*early, state_.chunks().layout().total_bytes());
  } else if (const auto* dropped = std::get_if<data::EarlyDropped>(&message)) {
    updates_.drop(*dropped);
  } else {
    orders_.take(std::move(message));
  }
}

std::span<std::byte> ConnectionFromSource::reserve(LinkId peer, std::span<const std::byte> header,
                                                   std::size_t bytes) {
  if (peer != source_) throw Error(Code::unauthorized, "a payload before the token");
  if (rehearses_) throw Error(Code::bad_request, "a payload in the middle of a rehearsed step");
  liveness_.note_contact(Clock::now());
  const auto [what, encoding] = data::decode_payload_header(header);
  const auto plain_bytes = encoding.codec == Codec::none ? bytes : encoding.bytes;
  const auto range = std::visit(
      [&](const auto& one) {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, data::ChunkHeader>) {
          return state_.reserve(one, plain_bytes);
        } else {
          return updates_.reserve(one, plain_bytes);
        }
      },
      what);
  return payloads_.reserve(header, encoding, bytes, range);
}

void ConnectionFromSource::on_received(LinkId, std::span<const std::byte> header,
                                       std::size_t bytes) {
  liveness_.note_contact(Clock::now());
  const auto [what, encoding] = data::decode_payload_header(header);
  bytes = payloads_.on_received(header, encoding, bytes);
  if (const auto* chunk = std::get_if<data::ChunkHeader>(&what)) {
    state_.on_received(*chunk);
  } else if (const auto* early = std::get_if<data::EarlyHeader>(&what)) {
    updates_.on_received(*early, bytes);
  } else {
    updates_.on_received(std::get<data::GradientHeader>(what), bytes);
  }
}

void ConnectionFromSource::on_lost(LinkId peer, std::string_view why) {
  if (peer != source_) return;
  source_.reset();
  orders_.ended = Error(Code::link_lost, fmt::format("data link to the source: {}", why));
}

/// Sends a Refused to a peer that may not.
bool ConnectionFromSource::may_enter(LinkId peer, const std::string& migration,
                                     const std::string& token) {
  if (!source_ && is_same_token(token, options_.token) && migration == options_.migration) {
    return true;
  }
  std::string why = "the token is not the one this standby was given for this migration";
  if (source_)
    why = "this standby already has its source";
  else if (is_same_token(token, options_.token)) {
    why = fmt::format("this standby was made for migration {}", options_.migration);
  }
  // Not `send`: that one speaks to the admitted source.
  link_->send_control(
      peer, data::encode(
                data::Refused{Code::unauthorized, std::move(why),
                              "start the migration through the agents, with `cardswap migrate`"}));
  return false;
}

void ConnectionFromSource::admit(LinkId peer, data::LayoutOffered hello) {
  if (!may_enter(peer, hello.migration, hello.token)) return;
  link_->admit(peer);
  source_ = peer;
  liveness_.note_contact(Clock::now());
  chunk_bytes_ = hello.chunk_bytes;
  payloads_.begin(chunk_bytes_);
  orders_.layout = SourceOrders::NewLayout{std::move(hello.layout), hello.want_digests};
}

void ConnectionFromSource::send(const data::Message& message) {
  if (source_) link_->send_control(*source_, data::encode(message));
}

// ---- acting

void ConnectionFromSource::act() {
  if (orders_.ended) throw Error(*orders_.ended);
  check_liveness();
  if (rehearses_ && !end_rehearsal()) return;
  if (orders_.layout) adopt(*std::exchange(orders_.layout, std::nullopt));
  // A digest of everything that is under way serves the freeze as well, and somebody waits for it.
  // One that replays updates digests when it is done.
  if (std::exchange(orders_.freeze_began, false) && !state_.is_digesting_all() &&
      !updates_.is_replaying()) {
    digest_all(DigestFor::freeze);
  }
  if (state_.take_all()) answer_full_digest();
  if (updates_.is_done()) finish_replay();
  if (has_replayed_the_last_update()) digest_all(DigestFor::freeze);
  if (orders_.amended && may_amend()) {
    amend(std::exchange(orders_.amended, std::nullopt)->layout);
  }
  if (!updates_.is_replaying() && !state_.is_digesting_all()) begin_replay();
  const auto& end = orders_.round_end;
  const bool all_are_here = end && state_.received_in(end->round) == end->chunks;
  const bool digested = !state_.is_digesting_all() && state_.digest_received(all_are_here);
  if (all_are_here && digested) end->final ? finish_final_round() : finish_round();
  if (orders_.equal) confirm(*std::exchange(orders_.equal, std::nullopt));
  if (orders_.show && !state_.is_digesting_all()) show(*std::exchange(orders_.show, std::nullopt));
  if (std::exchange(orders_.rehearse, false)) begin_rehearsal();
}

void ConnectionFromSource::check_liveness() {
  if (!source_ || liveness_.elapsed(Clock::now()) <= options_.silence_max) return;
  if (state_.is_digesting_all()) return;  // which leaves no core to the link's heartbeat
  throw Error(Code::link_lost, fmt::format("nothing was heard from the source for {} ms",
                                           options_.silence_max.count()));
}

void ConnectionFromSource::adopt(const SourceOrders::NewLayout& order) {
  payloads_.drain();  // into gradients that are still there
  updates_.start_over();
  audit_of_ = 0;
  orders_.amended.reset();
  state_.adopt(order.layout, chunk_bytes_);
  accept();
  if (order.wants_digests) digest_all(DigestFor::layout);
}

/// Whether all updates and chunks of the present layout have landed and are replayed.
bool ConnectionFromSource::may_amend() const {
  if (orders_.round_end || !state_.is_between_rounds()) {
    throw Error(Code::bad_request, "the layout was amended in the middle of a round");
  }
  return !updates_.is_replaying() && !state_.is_digesting_all() &&
         updates_.replayed() >= orders_.amended->updates &&
         state_.received_in(data::kBaseRound) >= orders_.amended->base_chunks;
}

/// Called between two updates. Regions that both layouts have keep their bytes.
void ConnectionFromSource::amend(const Layout& wanted) {
  state_.amend(wanted);
  accept();
}

/// Early gradients may have factors only if the host's processor can write to all memory.
void ConnectionFromSource::accept() {
  send(data::Accept{
      static_cast<std::uint32_t>(state_.chunks().size()),
      std::ranges::all_of(options_.devices, [](const auto& one) { return one->is_host(); })});
}

void ConnectionFromSource::begin_replay() {
  auto update = updates_.take_next(state_.received_in(data::kBaseRound));
  if (!update) return;
  state_.distrust();
  payloads_.drain();
  updates_.begin(std::move(*update));
}

void ConnectionFromSource::finish_replay() {
  const auto done = updates_.finish();
  send(data::Replayed{done.number, done.ms});
  if (!done.audit) return;
  audit_of_ = done.number;
  digest_all(DigestFor::audit);
}

/// The source sends a frozen state's values behind all of its updates.
bool ConnectionFromSource::has_replayed_the_last_update() const {
  return orders_.values && !orders_.amended && updates_.replayed() != 0 &&
         updates_.all_are_replayed() && !state_.is_digesting_all() && !state_.is_whole();
}

void ConnectionFromSource::digest_all(DigestFor purpose) {
  digesting_for_ = purpose;
  state_.digest_all(updates_.replayed() != 0, purpose == DigestFor::freeze);
}

void ConnectionFromSource::answer_full_digest() {
  switch (digesting_for_) {
    case DigestFor::layout: send(state_.all_chunks()); break;
    case DigestFor::audit:
      send(data::Audited{audit_of_, state_.digests()});
      state_.distrust();
      break;
    case DigestFor::freeze: break;  // the final round answers
  }
}

void ConnectionFromSource::finish_round() {
  const auto end = *std::exchange(orders_.round_end, std::nullopt);
  send(state_.end_round(end.round));
}

/// Answers the final round with the digests of everything, values included.
void ConnectionFromSource::finish_final_round() {
  if (!orders_.values || updates_.is_replaying() ||
      updates_.replayed() < orders_.round_end->updates) {
    return;
  }
  if (!state_.is_whole()) return digest_all(DigestFor::freeze);
  const auto end = *std::exchange(orders_.round_end, std::nullopt);
  values_ = digest_of(program_.apply_values(orders_.values->values));
  send(state_.end_final_round(end.round, values_));
}

void ConnectionFromSource::confirm(const Digest& state_digest) {
  const auto& values = orders_.values;
  if (!values || state_.state_digest(values_) != state_digest) {
    throw Error(Code::digest_mismatch, "the source's digest is not this standby's");
  }
  if (callbacks_.verified) {
    Notes notes;
    for (const auto& note : values->notes) {
      if (may_be_noted(notes, note.name)) notes[note.name] = std::bit_cast<double>(note.bits);
    }
    callbacks_.verified({state_digest, values->step, values->last_step_end_ns,
                         values->clock_error_ns, chunk_bytes_, std::move(notes),
                         state_.elsewhere()});
  }
  send(data::Confirmed{state_digest});
}

/// The program takes a step: from here on the state is not the one that was compared.
void ConnectionFromSource::begin_rehearsal() {
  if (!state_.is_whole() || !orders_.values || orders_.round_end) {
    throw Error(Code::bad_request, "a rehearsal from a state that was not sent");
  }
  const auto step = std::exchange(orders_.values, std::nullopt)->step;
  payloads_.drain();
  state_.distrust();
  rehearses_ = true;
  program_.rehearse(step);
}

void ConnectionFromSource::show(const data::ReadChunk& asked) {
  send(data::ChunkBytes{asked.chunk, state_.first_bytes(asked.chunk, asked.bytes)});
}

/// True once the program is parked again.
bool ConnectionFromSource::end_rehearsal() {
  std::optional<std::vector<std::byte>> values;
  {
    const MutexLock lock(mutex_);
    values.swap(parked_values_);
  }
  if (!values) return false;
  rehearses_ = false;
  send(data::Rehearsed{std::move(*values)});
  return true;
}

void ConnectionFromSource::rehearsed(std::vector<std::byte> values) {
  {
    const MutexLock lock(mutex_);
    parked_values_ = std::move(values);
  }
  link_->wake();
}

}  // namespace cardswap
