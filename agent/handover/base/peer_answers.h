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

/// What another agent's answers say, as values. Another agent may be of another release, a proxy or
/// a liar: what is not exactly an answer is an Error{protocol_mismatch} that names that agent and
/// the field, never another exception, and never something that was not said. `agent` is its
/// address, for the text.
namespace cardswap {

/// The answer to a reservation, or to the question whether there could be one.
struct Offer {
  bool accepted = false;
  Code code = Code::refused;  ///< or no_memory
  std::vector<std::string> blocked_reasons;
  std::string hint;  ///< what to do about the first; empty: that host does not say
};
[[nodiscard]] Offer offer_from(const std::string& agent, const boost::json::object& answer);

/// Where a standby takes what is sent to it.
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
  std::vector<std::string> addresses;  ///< of its host; none: not known
  DataEndpoint image;                  ///< arrive criu: of the process image
  double restore_ms = 0;
  double driver_resume_ms = 0;
  double verify_ms = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  FirstStepsReport first_steps;
  StoredSnapshot stored;  ///< for a store, once it is there
  std::string warning;
  std::optional<Error> error;
};
/// Reads the state of a migration under `epoch`: a state of another one is no answer to us.
[[nodiscard]] TargetStatus target_status_from(const std::string& agent, handover::Epoch epoch,
                                              const boost::json::object& answer);
/// Why the target cannot be where it says it is as long as nothing was committed; nothing where it
/// can. `to_store`: a keeper holds the state there.
[[nodiscard]] std::optional<Error> not_before_a_commit(const std::string& agent,
                                                       const TargetStatus& status,
                                                       bool to_store = false);

/// What the source's agent decided.
[[nodiscard]] handover::Message decision_from(const std::string& agent, handover::Epoch epoch,
                                              const boost::json::value& answer);

/// An error that another agent told, as an error here: that it was cancelled or is in doubt is not
/// for another agent to say of our migration, and it has a text.
[[nodiscard]] Error reported_by(const std::string& agent, const Error& error);

/// The content that a digest and a step make; nothing where there is no digest yet. Throws
/// Error{bad_request}.
[[nodiscard]] handover::Content content_from(const std::string& root, std::uint64_t step);

}  // namespace cardswap
