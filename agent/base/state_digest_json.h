#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "agent/base/json_fields.h"

/// The digest of a job's state in answers of the API and of commands, and in the journal. It is
/// `state_digest` there, and stands a second time under `root`, its name in the release before,
/// for whoever reads that. What agents tell each other, and what a store has, still call it `root`.
namespace cardswap {

inline constexpr std::string_view kStateDigest = "state_digest";
inline constexpr std::string_view kStateDigestBefore = "root";

inline void put_state_digest(boost::json::object& to, const boost::json::value& digest) {
  to[kStateDigest] = digest;
  to[kStateDigestBefore] = digest;
}

[[nodiscard]] inline bool has_state_digest(const boost::json::object& from) {
  return from.contains(kStateDigest) || from.contains(kStateDigestBefore);
}

/// Under whichever name it is there; empty: it is not, or it is no text.
[[nodiscard]] inline std::string state_digest_at(const boost::json::object& from) {
  return text_at(from, from.contains(kStateDigest) ? kStateDigest : kStateDigestBefore);
}

}  // namespace cardswap
