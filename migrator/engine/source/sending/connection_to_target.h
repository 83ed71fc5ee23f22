#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/base/liveness_timer.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/program.h"
#include "migrator/engine/source/sending/peer_clock.h"
#include "migrator/engine/source/sending/target_answers.h"
#include "migrator/link/link.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// The source's connection to its target: messages in order, heartbeats, and the offset of the two
/// clocks.
///
/// The engine's thread; wake() may be called on any. Every call that waits (measure_clocks(),
/// progress(), progress_until(), await(), ask()) keeps the connection alive. It throws
/// Error{cancelled} when the migration was cancelled, the target's own Error when it has refused,
/// and Error{unreachable, link_lost} when it cannot be reached or is gone.
class ConnectionToTarget final : private LinkListener {
 public:
  using Clock = std::chrono::steady_clock;

  /// Makes the link to the target.
  using MakeLink = std::function<std::unique_ptr<Link>(LinkListener&)>;

  /// `options` outlive this.
  ConnectionToTarget(const SourceOptions& options, MakeLink make_link, std::stop_token stop);
  ~ConnectionToTarget() override;

  /// Makes the link and sends the token; does not wait for an answer. To be called once, before any
  /// other call except wake() and close(). Throws what MakeLink throws.
  void connect();
  /// Measures the offset of the clocks; takes eight round trips.
  void measure_clocks();
  /// Tells the target that the migration ends, waiting for 100 ms at most, and closes the link.
  void close() noexcept;
  /// Ends the current wait, or the next one. Does nothing before connect() and after close().
  void wake();

  /// Waits until `until()` is true. It is asked after each event, and at least every `poll`.
  template <class Condition>
  void progress_until(Condition until, std::chrono::milliseconds poll = kHeartbeat) {
    while (!until()) progress(Clock::now() + poll);
  }
  /// Waits once, as Link::wait() does; sends a heartbeat first when one is due.
  void progress(Clock::time_point deadline);

  /// Sends a message. Throws as Link's sends do.
  void send(const data::Message& message);
  /// Sends a payload, and throws, as Link::send_payload() does.
  void send_payload(std::vector<std::byte> header, std::span<const std::byte> payload,
                    std::shared_ptr<const void> owner);
  [[nodiscard]] std::size_t payloads_in_flight() const { return link_->payloads_in_flight(); }
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind kind) const {
    return link_->direct_bytes_min(kind);
  }

  /// The member of TargetAnswers for the answer to one kind of question.
  template <class Answer>
  using Kind = std::optional<Answer> TargetAnswers::*;
  /// Sends a question, and forgets the previous answer of this kind.
  template <class Answer>
  void begin_to_ask(Kind<Answer> kind, const data::Message& question) {
    (answers_.*kind).reset();
    send(question);
  }
  /// Waits for the answer to begin_to_ask(). The reference is valid until the next question of this
  /// kind.
  template <class Answer>
  [[nodiscard]] const Answer& await(Kind<Answer> kind) {
    const auto& answer = answers_.*kind;
    progress_until([&answer] { return answer.has_value(); });
    return *answer;
  }
  /// Sends a question and waits for its answer.
  template <class Answer>
  [[nodiscard]] const Answer& ask(Kind<Answer> kind, const data::Message& question) {
    begin_to_ask(kind, question);
    return await(kind);
  }
  [[nodiscard]] TargetAnswers& answers() { return answers_; }
  [[nodiscard]] std::int64_t clock_offset_ns() const { return clock_.offset_ns(); }
  [[nodiscard]] std::int64_t clock_error_ns() const { return clock_.error_ns(); }
  [[nodiscard]] double round_trip_ms() const {
    return static_cast<double>(clock_.round_trip_ns()) / 1e6;
  }

 private:
  static constexpr std::chrono::milliseconds kHeartbeat{500};

  void on_control(LinkId peer, std::span<const std::byte> bytes) override;
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t) override;
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(LinkId, std::string_view why) override;
  void ping();
  [[nodiscard]] std::string peer() const;

  const SourceOptions& options_;
  const MakeLink make_link_;
  const std::stop_token stop_;

  std::unique_ptr<Link> link_;  // the engine's thread alone
  Mutex mutex_;
  Link* woken_ CARDSWAP_GUARDED_BY(mutex_) = nullptr;  // link_, while wake() may use it

  TargetAnswers answers_;
  bool was_accepted_ = false;  // the target has accepted a layout
  std::optional<Error> refused_;
  LivenessTimer liveness_;
  Clock::time_point ping_due_{};
  PeerClock clock_;
};

}  // namespace cardswap
