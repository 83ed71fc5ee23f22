#include "agent/cli/snapshots/await_held.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>

#include "agent/base/json_fields.h"
#include "agent/base/state_digest_json.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/progress_line.h"
#include "agent/cli/text/text.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kLookAtHold{100};

/// On a terminal, one line that is drawn again.
class StepsShown {
 public:
  StepsShown(const Context& context, std::uint64_t wanted)
      : shows_(!context.quiet && !context.wants_json()), wanted_(wanted) {}

  void show(std::uint64_t step) {
    if (shows_ && line_.is_shown()) line_.draw(fmt::format("step {} of {}", step, wanted_));
  }

 private:
  const bool shows_;
  const std::uint64_t wanted_;
  ProgressLine line_;
};

}  // namespace

json::object await_held(const Context& context, Client& client, const std::string& job,
                        std::uint64_t step) {
  StepsShown shown(context, step);
  while (true) {
    auto now = client.call("GET", "/v1/jobs/" + http::percent_encoded(job));
    const auto& held = object_at(now, "held");
    if (!held.empty() && count_at(held, "step") >= step) {
      if (const auto why = text_at(held, "failure"); !why.empty()) {
        throw Error(Code::internal,
                    fmt::format("job {} stands at step {}, and its state cannot be read: {}", job,
                                count_at(held, "step"), why));
      }
      return now;
    }
    if (is_over(now)) {
      throw Error(Code::source_lost,
                  fmt::format("job {} is {} at step {}: it did not come to step {}", job,
                              text(now, "state"), count_at(now, "step"), step),
                  fmt::format("`cardswap logs {}` may say why", job));
    }
    shown.show(count_at(now, "step"));
    if (context.interrupts.has_come(kLookAtHold)) {
      throw Error(Code::cancelled,
                  fmt::format("interrupted: job {} goes on to step {} and stands there", job, step),
                  fmt::format("`cardswap stop {}` ends it", job));
    }
  }
}

std::string held_text(const json::object& job) {
  const auto& held = object_at(job, "held");
  return fmt::format("job {} stands at step {}, digest {}; `cardswap resume {}` lets it go on\n",
                     text(job, "name"), text(held, "step"), state_digest_at(held),
                     text(job, "name"));
}

}  // namespace cardswap::cli
