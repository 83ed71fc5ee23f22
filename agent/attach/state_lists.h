#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/api/router.h"
#include "agent/attach/runtime_hub.h"

namespace cardswap {

/// Asks runtimes for the list of their jobs' state, and serves the API call for it. Both references
/// must outlive it. One thread.
class StateLists {
 public:
  StateLists(JobList& jobs, RuntimeHub& hub) : jobs_(jobs), hub_(hub) {}

  /// Adds GET /v1/jobs/{name}/state to `router`, which this must outlive.
  void add_routes(Router& router, const std::string& host_name);
  /// Takes a page of an answer from the runtime of `instance`. A page that nobody waits for, or
  /// that another runtime was asked for, is dropped. Throws Error{bad_request} for a page out of
  /// order, and for too many pages.
  void add(const std::string& instance, const channel::StateList& page);

 private:
  /// A question that waits for its answer.
  struct PendingQuery {
    std::string instance;
    std::vector<channel::StateItem> items;
    std::size_t pages = 0;
    std::uint64_t step = 0;
    std::string refusal;
    bool whole = false;  ///< the last page has come
  };
  /// Asks the runtime of `instance` and returns its answer. Waits 10 s at most. Throws
  /// Error{conflict} without a runtime, Error{timed_out} if it passes no step boundary in time,
  /// Error{refused} if it refuses or too many calls wait.
  asio::awaitable<boost::json::object> ask(std::string instance);

  JobList& jobs_;
  RuntimeHub& hub_;
  Signal changed_;
  std::uint64_t latest_ = 0;
  std::map<std::uint64_t, std::weak_ptr<PendingQuery>> asked_;  // owned by the waiting coroutines
};

}  // namespace cardswap
