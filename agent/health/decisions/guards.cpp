#include "agent/health/decisions/guards.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/units.h"

namespace cardswap::health {
namespace {

constexpr Ms kHour = 3'600'000;
constexpr std::size_t kRememberedMax = 4096;

std::string span(Ms time) { return format_ms(static_cast<double>(time)); }

void forget_oldest(std::map<std::string, Ms>& times) {
  if (times.size() <= kRememberedMax) return;
  times.erase(std::min_element(times.begin(), times.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; }));
}

}  // namespace

std::size_t Guards::last_hour(Ms now) const {
  return static_cast<std::size_t>(
      std::count_if(starts_.begin(), starts_.end(), [&](Ms at) { return at > now - kHour; }));
}

std::string Guards::refusal(Ms now) const {
  if (is_breaker_open(now)) return fmt::format("the circuit breaker is open: {}", why_open_);
  if (running_.size() >= policy_.moves_at_once) {
    return fmt::format("{} {} already, the budget", counted(running_.size(), "move"),
                       running_.size() == 1 ? "runs" : "run");
  }
  if (last_hour(now) >= policy_.moves_per_hour) {
    return fmt::format("{} within an hour, the limit", counted(policy_.moves_per_hour, "move"));
  }
  return {};
}

void Guards::note_started(const std::string& job_uid, Ms now) {
  running_[job_uid] = now;
  starts_.push_back(now);
  while (!starts_.empty() && starts_.front() <= now - kHour) starts_.pop_front();
}

void Guards::note_ended(const std::string& job_uid, bool moved, Ms now) {
  running_.erase(job_uid);
  if (moved) {
    job_moved_[job_uid] = now;
    forget_oldest(job_moved_);
  } else {
    failures_.push_back(now);
    if (failures_.size() > kRememberedMax) failures_.pop_front();
  }
}

void Guards::withdraw(const std::string& job_uid) {
  const auto found = running_.find(job_uid);
  if (found == running_.end()) return;
  const auto start = std::find(starts_.rbegin(), starts_.rend(), found->second);
  if (start != starts_.rend()) starts_.erase(std::next(start).base());
  running_.erase(found);
}

Ms Guards::job_free_at(const std::string& job_uid, Ms arrived) const {
  const auto found = job_moved_.find(job_uid);
  const auto last = std::max(arrived, found == job_moved_.end() ? 0 : found->second);
  return last == 0 ? 0 : last + policy_.job_cooldown;
}

void Guards::note_device_resolved(const std::string& device, Ms now) {
  device_resolved_[device] = now;
  forget_oldest(device_resolved_);
}

Ms Guards::device_free_at(const std::string& device) const {
  const auto found = device_resolved_.find(device);
  return found == device_resolved_.end() ? 0 : found->second + policy_.device_cooldown;
}

std::string Guards::judge_breaker(const std::map<std::string, Ms>& sick, std::size_t all, Ms now) {
  if (is_breaker_open(now)) return {};
  const auto since = std::max(now - policy_.breaker_window, counted_from_);
  const auto failed =
      std::count_if(failures_.begin(), failures_.end(), [&](Ms at) { return at > since; });
  const auto fresh = static_cast<std::size_t>(std::count_if(
      sick.begin(), sick.end(), [&](const auto& device) { return device.second > since; }));
  std::string why;
  if (failed >= static_cast<std::ptrdiff_t>(policy_.breaker_failures)) {
    why = fmt::format("{} failed within {}", counted(static_cast<std::uint64_t>(failed), "move"),
                      span(policy_.breaker_window));
  } else if (fresh >= policy_.breaker_devices_min &&
             fresh * 100 > all * policy_.breaker_devices_percent) {
    why = fmt::format("{} of {} devices turned sick within {}", fresh, all,
                      span(policy_.breaker_window));
  }
  if (why.empty()) return {};
  opened_at_ = now;
  open_until_ = now + policy_.breaker_reset;
  counted_from_ = open_until_;
  why_open_ = why;
  return why;
}

void Guards::close_breaker(Ms now) {
  open_until_ = 0;
  counted_from_ = now;
}

}  // namespace cardswap::health
