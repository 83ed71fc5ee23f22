#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/gang/moves.h"
#include "agent/handover/ownership.h"
#include "agent/handover/reservation_request_json.h"
#include "agent/jobs/jobs.h"
#include "agent/process/child.h"

namespace cardswap::test {

/// A target's part of an agent, without its API: standbys are programs that only wait.
class ReservationHost {
 public:
  explicit ReservationHost(const std::filesystem::path& dir,
                           std::chrono::milliseconds park_max = Reservations::kParkMax)
      : journal_(dir / "journal.db"), park_max_(park_max) {
    config_.data_dir = dir;
    config_.host_name = "gpu-b";
    config_.devices = {{.name = "cpu:0"}};
    jobs_.set_ownership(ownership_);
  }
  ~ReservationHost() {
    for (const auto* one :
         jobs_.table().instances()) {  // what was granted does not end with its agent
      if (one->program().pid > 0) signal_group(one->program(), SIGKILL);
    }
    tasks_.stop();
    context_.restart();
    context_.run_for(std::chrono::seconds(10));
  }
  ReservationHost(const ReservationHost&) = delete;
  ReservationHost& operator=(const ReservationHost&) = delete;

  /// A place, and a standby that starts in it.
  void reserve(const std::string& id, const std::string& source) {
    ApiRequest request;
    request.caller = Caller::owns("test");
    request.body = {{"migration", id},
                    {"job",
                     {{"name", id},
                      {"uid", fmt::format("{:0>32}", id.substr(2))},
                      {"argv", {"/bin/sleep", "1000"}},
                      {"cwd", "/"},
                      {"env", boost::json::object{}}}},
                    {"device", "cpu:0"},
                    {"state_bytes", 1},
                    {"epoch", 2},
                    {"from", "gpu-a/cpu:0"},
                    {"from_api", source}};
    std::optional<Offer> offer;
    asio::co_spawn(context_,
                   reservations_.reserve(reservation_request_from(request), request.caller,
                                         {.host = "127.0.0.1", .problem = {}}, {}),
                   [&](const std::exception_ptr&, Offer made) { offer = std::move(made); });
    context_.restart();
    while (!offer) context_.run_one();
    ASSERT_TRUE(offer->accepted) << offer->blocked_reasons.front();
  }
  /// A standby that holds a whole state, from a source that is silent.
  void hold(const std::string& id, const std::string& source) {
    ASSERT_NO_FATAL_FAILURE(reserve(id, source));
    auto* standby = jobs_.table().by_instance(reservations_.at(id).instance());
    ASSERT_NE(standby, nullptr);
    reservations_.on_message(*standby, channel::Parked{"127.0.0.1", 9, 1});
    channel::Verified verified;
    verified.migration = id;
    verified.step = 7;
    verified.state_digest.bytes[0] = 1;
    reservations_.on_message(*standby, verified);
    ASSERT_EQ(reservations_.at(id).state(), handover::TargetState::verified);
  }
  /// The sources of all have been silent for long.
  void run_for(std::chrono::milliseconds time) {
    for (const auto& r : reservations_.all()) {
      // The agent alone writes this, and never a time that is past.
      const_cast<Reservation&>(r).last_contact_at =
          std::chrono::steady_clock::now() - std::chrono::hours(1);
    }
    context_.restart();
    context_.run_for(time);
  }
  /// The source asks on and on.
  void run_with_a_source_for(std::chrono::milliseconds time) {
    for (const auto& r : reservations_.all()) reservations_.note_contact(r.migration());
    context_.restart();
    context_.run_for(time);
  }
  /// Does what the place is asked for; throws what it throws.
  void await(asio::awaitable<void> work) {
    std::optional<std::exception_ptr> ended;
    asio::co_spawn(context_, std::move(work), [&](std::exception_ptr error) { ended = error; });
    context_.restart();
    while (!ended) context_.run_one();
    if (*ended) std::rethrow_exception(*ended);
  }
  [[nodiscard]] Reservations& places() { return reservations_; }
  [[nodiscard]] const Journal& journal() const { return journal_; }
  [[nodiscard]] std::size_t in_state(handover::TargetState state) const {
    std::size_t count = 0;
    for (const auto& r : reservations_.all()) count += r.state() == state ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::uint64_t reserved_bytes() const {
    return jobs_.devices().all().front().reserved_bytes;
  }

 private:
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_;
  const std::chrono::milliseconds park_max_;
  EventSink events_;
  Jobs jobs_{tasks_, config_, journal_, events_};
  RuntimeHub hub_{context_, tasks_, jobs_.table(), {}};
  criu::MoveTools criu_{context_, config_, journal_};
  HandoverGate handover_gate_;
  HandoverContext handover_{
      context_,        tasks_, config_, journal_,       jobs_.table(), jobs_.processes(),
      jobs_.devices(), hub_,   criu_,   handover_gate_, events_};
  Cordons cordons_{journal_};
  Migrations migrations_{handover_, {}};
  Reservations reservations_{handover_, cordons_, migrations_, park_max_};
  gang::Moves moves_{handover_, migrations_};
  handover::Ownership ownership_{migrations_, reservations_, moves_};
};

}  // namespace cardswap::test
