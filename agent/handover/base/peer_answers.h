#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handover/base/lost_time.h"
#include "agent/handover/base/stored_snapshot.h"
#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

/// Reads the answers of other agents as values. The other side may be an agent of another release,
/// a proxy or an attacker. Unless said otherwise, each function throws Error{protocol_mismatch}
/// that names the agent and the field for anything that is no valid answer, and no other exception.
/// `agent` is the address of that agent, for the text.
namespace cardswap {

/// The answer to a request for a reservation; in a dry run, whether one could be made.
struct Offer {
  bool accepted = false;
  Code code = Code::refused;  ///< why not: `refused` or `no_memory`
  std::vector<std::string> blocked_reasons;
  std::string hint;  ///< what to do about the first reason; empty: that host does not say
};
[[nodiscard]] Offer offer_from(const std::string& agent, const boost::json::object& answer);

/// The error of an offer that is not accepted, by the agent of the destination `to`. Throws
/// Error{bad_request} if `to` is no destination.
[[nodiscard]] Error refusal_of(const Offer& offer, const std::string& to);

/// Where a standby receives the state, and with which secrets.
struct DataEndpoint {
  std::string host;
  std::uint16_t port = 0;
  std::string token;
  std::string key;  ///< empty: nothing is sealed
};

/// The state of a reservation.
struct TargetStatus {
  std::uint64_t version = 0;
  handover::Message message{handover::Message::Kind::status};  ///< state, epoch and content
  DataEndpoint data;
  std::vector<std::string> addresses;  ///< all addresses of its host; empty: not known
  DataEndpoint image;                  ///< arrive criu: where the process image is received
  double restore_ms = 0;
  double driver_resume_ms = 0;
  double verify_ms = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  FirstStepsReport first_steps;
  StoredSnapshot stored;  ///< a snapshot: set once the keeper has published it
  std::string warning;
  std::optional<Error> error;
};
/// Reads the state of the reservation for `epoch`; a state under another epoch is refused.
[[nodiscard]] TargetStatus target_status_from(const std::string& agent, handover::Epoch epoch,
                                              const boost::json::object& answer);
/// The error of a target whose state is not possible before the commit: it has failed, or it
/// reports a state that follows a grant. Nullopt: the state is possible. `to_store`: a keeper
/// holds the state there, and `stored` is possible too. Throws nothing.
[[nodiscard]] std::optional<Error> not_before_a_commit(const std::string& agent,
                                                       const TargetStatus& status,
                                                       bool to_store = false);

/// Reads the decision of the source's agent about the migration under `epoch`.
[[nodiscard]] handover::Message decision_from(const std::string& agent, handover::Epoch epoch,
                                              const boost::json::value& answer);

/// An error that another agent reported, as an error of this agent's migration. `cancelled` and
/// `in_doubt` become `target_lost`, because only this agent may decide that; an empty text is
/// replaced. Throws nothing.
[[nodiscard]] Error reported_by(const std::string& agent, const Error& error);

/// The content of a digest in hexadecimal and a step; an empty Content for an empty `state_digest`.
/// Throws Error{bad_request} for a text that is no digest.
[[nodiscard]] handover::Content content_from(const std::string& state_digest, std::uint64_t step);

}  // namespace cardswap
