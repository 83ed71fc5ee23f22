#include "agent/handover/target/target_second_copy.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace cardswap {

void report_second_copy(const Reservation& r, const std::string& job, std::uint64_t newer_epoch,
                        EventSink& events) {
  const bool is_halted = newer_epoch != 0;
  const auto text =
      is_halted ? fmt::format(
                      "job {} is there twice (migration {}): epoch {} steps at {}; the copy "
                      "here, of epoch {}, is halted for good; `cardswap stop {}` here ends it",
                      job, r.migration(), newer_epoch, r.record().from, r.epoch(), job)
                : fmt::format(
                      "job {} is there twice (migration {}): epoch {} steps here; the copy at "
                      "{} is of a lower one and must be halted; on that host: `cardswap stop {}`",
                      job, r.migration(), r.epoch(), r.record().from, job);
  spdlog::error("{}", text);
  events.emit({"two_epochs", text, job, {}, r.migration()});
}

}  // namespace cardswap
