#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/api/router.h"
#include "agent/attach/runtime_hub.h"

namespace cardswap {

/// What runtimes say that their jobs' state consists of, when somebody asks. One thread.
class StateLists {
 public:
  StateLists(JobTable& jobs, RuntimeHub& hub) : jobs_(jobs), hub_(hub) {}

  /// Adds GET /v1/jobs/{name}/state to `router`, which this must outlive.
  void add_calls(Router& router, const std::string& host_name);
  /// Takes a page of the answer of the job with that instance; a page of what another was asked is
  /// dropped. Throws Error{bad_request} for more pages than an answer may have, and for one that
  /// does not follow the one before.
  void take(const std::string& instance, const channel::StateList& page);

 private:
  /// A question that waits for its answer.
  struct PendingQuery {
    std::string instance;
    std::vector<channel::StateItem> items;
    std::size_t pages = 0;
    std::uint64_t step = 0;
    std::string refusal;
    bool whole = false;
  };
  /// Asks a runtime, and returns what it answers. Throws Error: there is no runtime, or no boundary
  /// is passed in time.
  asio::awaitable<boost::json::object> ask(std::string instance);

  JobTable& jobs_;
  RuntimeHub& hub_;
  Signal changed_;
  std::uint64_t latest_ = 0;
  std::map<std::uint64_t, std::weak_ptr<PendingQuery>> asked_;  // owned by who waits
};

}  // namespace cardswap
