#pragma once

#include <cstddef>
#include <cstdint>
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
#include "migrator/engine/target/payload_receiver.h"
#include "migrator/engine/target/source_orders.h"
#include "migrator/engine/target/state_receiver.h"
#include "migrator/engine/target/update_replayer.h"
#include "migrator/link/link.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// The target's connection to its source. It admits the source that has the token, and carries out
/// the source's orders in a fixed sequence, whichever of them came together.
///
/// Events of the link only note the source's orders, and run() carries them out. Only
/// payloads are placed and unpacked, memory for the gradients of an update is made, and pings are
/// answered within the event. The engine's thread, except wake(), rehearsed() and port(), which any
/// thread may call.
class ConnectionFromSource final : private LinkListener {
 public:
  /// Listens when it returns. Throws what listen_link() throws. All outlive this.
  ConnectionFromSource(const TargetOptions& options, TargetProgram& program,
                       const TargetCallbacks& callbacks);

  /// Serves the source until `stop`. A failure is reported once by TargetCallbacks::failed; after
  /// it this serves only the link, so that the source gets the reason.
  void run(const std::stop_token& stop);
  void wake() { link_->wake(); }
  /// Does what Target::rehearsed() does.
  void rehearsed(std::vector<std::byte> values);
  [[nodiscard]] std::uint16_t port() const { return link_->port(); }

 private:
  /// The purpose for which everything is being digested.
  enum class DigestFor : std::uint8_t { layout, audit, freeze };

  void on_control(LinkId peer, std::span<const std::byte> bytes) override;
  std::span<std::byte> reserve(LinkId peer, std::span<const std::byte> header,
                               std::size_t bytes) override;
  void on_received(LinkId peer, std::span<const std::byte> header, std::size_t bytes) override;
  void on_lost(LinkId peer, std::string_view why) override;
  [[nodiscard]] bool admits() const override { return true; }

  [[nodiscard]] bool may_enter(LinkId peer, const std::string& migration, const std::string& token);
  void admit(LinkId peer, data::LayoutOffered hello);

  void act();
  void check_liveness();
  void adopt(const SourceOrders::NewLayout& order);
  [[nodiscard]] bool may_amend() const;
  void amend(const Layout& wanted);
  void accept();
  void begin_replay();
  void finish_replay();
  [[nodiscard]] bool has_replayed_the_last_update() const;
  void digest_all(DigestFor purpose);
  void answer_full_digest();
  void finish_round();
  void finish_final_round();
  void confirm(const Digest& state_digest);
  void show(const data::ReadChunk& asked);
  void begin_rehearsal();
  [[nodiscard]] bool end_rehearsal();
  void send(const data::Message& message);
  void report(const Error& error);

  const TargetOptions& options_;
  TargetProgram& program_;
  const TargetCallbacks& callbacks_;

  std::optional<LinkId> source_;
  std::uint64_t chunk_bytes_ = 0;
  LivenessTimer liveness_;
  SourceOrders orders_;
  DigestFor digesting_for_ = DigestFor::layout;
  std::uint64_t audit_of_ = 0;  // the update of the latest audit
  Digest values_;               // of the values that the program holds
  bool rehearses_ = false;      // the program takes a step: its memory must not be touched
  Mutex mutex_;
  std::optional<std::vector<std::byte>> parked_values_
      CARDSWAP_GUARDED_BY(mutex_);  // those of rehearsed()

  // They outlive the link, which writes to their buffers until it is gone. Their threads wake the
  // link; run() ends these threads.
  PayloadReceiver payloads_;
  StateReceiver state_;
  UpdateReplayer updates_;
  std::unique_ptr<Link> link_;
};

}  // namespace cardswap
