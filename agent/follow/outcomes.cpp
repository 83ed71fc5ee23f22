#include "agent/follow/outcomes.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "agent/base/address.h"
#include "agent/jobs/rank_report.h"
#include "agent/process/process.h"
#include "migrator/base/error.h"

namespace cardswap::follow {
namespace {

using channel::EndState;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kAskWait{5'000};
constexpr milliseconds kLookEvery{1'000};
constexpr milliseconds kReportEvery{5'000};
constexpr milliseconds kDeliverMax{10'000};
constexpr int kPlacesMax = 64;  // agents that name one another in a circle are left

bool ends_a_job(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

/// The rank that the whole of an instance is, whose program is no launcher.
std::uint32_t rank_of(const Instance& instance) {
  const auto& record = instance.record();
  if (record.moved_ranks.size() == 1) return record.moved_ranks.begin()->first;
  return instance.ranks.size() == 1 ? instance.ranks.begin()->first : record.rank;
}

/// The end of an instance's program; it runs as long as the agent may start it again.
Outcome end_of(const Instance& instance) {
  const auto& record = instance.record();
  const bool is_over =
      !instance.is_live() && record.ended_at_ms != 0 && !instance.job().recovery.is_under_way();
  if (!is_over) return {};
  if (record.exit_signal) {
    return {EndState::signalled, static_cast<std::uint32_t>(*record.exit_signal), {}, {}};
  }
  if (record.exit_code) {
    return {EndState::exited, static_cast<std::uint32_t>(*record.exit_code & 255), {}, {}};
  }
  return {EndState::unknown, 0, {}, record.exit_text};
}

Outcome is_gone(const std::string& at) {
  return {EndState::unknown, 0, at, "its record was removed before anybody asked how it ended"};
}

/// An answer that says that the agent knows nothing of the rank, and not that it cannot be asked.
bool is_final(const Error& error) { return error.code() == Code::not_found; }

}  // namespace

bool is_for_jobs(int signal) {
  return ends_a_job(signal) || signal == SIGUSR1 || signal == SIGUSR2;
}

LocalOutcome Outcomes::look(const Instance& instance, std::optional<std::uint32_t> rank) const {
  const auto& record = instance.record();
  const bool is_whole = !rank && record.keeps_places;  // of a launcher its own end counts
  const bool is_away = instance.state() == InstanceState::moved;
  LocalOutcome local;
  if (!is_whole) {
    const auto moved = record.moved_ranks.find(rank.value_or(rank_of(instance)));
    if (moved != record.moved_ranks.end()) {
      local.moved_to = moved->second;
    } else if (is_away) {
      local.moved_to = record.moved_to;
    }
    if (!local.moved_to.empty()) return local;
  }
  local.outcome = end_of(instance);
  local.outcome.at = config_.host_name + "/" + instance.device();
  return local;
}

Instance* Outcomes::find_arrived(const RankName& rank) {
  Instance* found = nullptr;
  for (auto* instance : jobs_.instances()) {
    const auto& job = instance->job();
    const bool is_it = job.uid() == rank.uid && instance->record().rank == rank.rank &&
                       !instance->record().came_from.empty();
    if (is_it && (found == nullptr || job.epoch >= found->job().epoch)) found = instance;
  }
  return found;
}

LocalOutcome Outcomes::look(const RankName& rank) {
  const auto* instance = find_arrived(rank);
  if (instance != nullptr) return look(*instance, rank.rank);
  throw Error(Code::not_found,
              fmt::format("rank {} of that job has not come to {}", rank.rank, config_.host_name));
}

const Instance& Outcomes::instance_of(const std::string& name, std::optional<std::uint32_t> rank) {
  if (!rank) return jobs_.job_named(name).first();
  if (const auto* here = jobs_.find_rank(name, *rank)) return *here;
  const Instance* found = nullptr;
  for (const auto* instance : jobs_.instances()) {
    const auto& job = instance->job();
    if (job.name() != name || job.standby || job.world_size <= 1) continue;
    const bool is_it = instance->record().moved_ranks.contains(*rank) ||
                       instance->ranks.contains(*rank) ||
                       (!job.instances.empty() && instance->record().rank == *rank);
    if (is_it && (found == nullptr || job.epoch >= found->job().epoch)) found = instance;
  }
  if (found != nullptr) return *found;
  throw Error(
      Code::not_found,
      fmt::format("there is no rank {} of a job '{}' on {}", *rank, name, config_.host_name),
      "ask the agent of the host where it was started");
}

void Outcomes::note_place(const std::string& id, std::uint32_t rank, const std::string& place) {
  auto* instance = jobs_.by_instance(id);
  if (instance == nullptr) return;
  note_rank_place(*instance, rank, place);
  jobs_.save_when_possible(instance->job());
}

asio::awaitable<Outcome> Outcomes::news(std::string id, std::optional<std::uint32_t> rank,
                                        Outcome seen, Until until) {
  std::string was_at;
  for (int places = 0; places < kPlacesMax;) {
    const auto* instance = jobs_.by_instance(id);
    if (instance == nullptr) co_return is_gone(was_at.empty() ? config_.host_name : was_at);
    const auto local = look(*instance, rank);
    if (local.moved_to.empty()) {
      if (local.outcome != seen || Clock::now() >= until) co_return local.outcome;
      co_await jobs_.changed().wait_until(std::min(until, Clock::now() + kLookEvery));
      continue;
    }
    was_at = local.moved_to;
    const auto number = rank.value_or(rank_of(*instance));
    RankName name{instance->job().uid(), number};
    // What is news already needs no waiting for more.
    const bool is_told = seen.state == EndState::runs && seen.at == was_at && seen.note.empty();
    const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
    const auto wait = is_told ? std::clamp(left, milliseconds(0), kAskWait) : milliseconds(0);
    Outcome outcome{EndState::runs, 0, was_at, {}};
    try {
      auto agent = http::Endpoint::tcp(parse_destination(was_at).agent());
      const auto there = co_await client_.ask(std::move(agent), std::move(name), wait);
      if (!there.moved_to.empty()) {
        note_place(id, number, there.moved_to);
        ++places;
        continue;
      }
      outcome = there.outcome;
      outcome.at = was_at;
    } catch (...) {
      if (tasks_.is_stopping()) throw;
      const auto failed = error_of(std::current_exception());
      outcome.note = failed.failure();
      if (is_final(failed)) outcome.state = EndState::unknown;
    }
    if (outcome != seen || Clock::now() >= until) co_return outcome;
    if (!outcome.note.empty()) co_await pause_for(kLookEvery);
  }
  co_return Outcome{EndState::unknown, 0, was_at, "the agents name one another in a circle"};
}

asio::awaitable<void> Outcomes::report(std::string instance, std::uint32_t rank,
                                       std::function<bool(const Outcome&)> tell) {
  Outcome seen;
  while (true) {
    seen = co_await news(instance, rank, seen, Clock::now() + kReportEvery);
    if (!tell(seen) || seen.is_over()) co_return;
  }
}

asio::awaitable<LocalOutcome> Outcomes::news_here(RankName rank, Until until) {
  auto local = look(rank);
  while (!local.outcome.is_over() && local.moved_to.empty() && Clock::now() < until) {
    co_await jobs_.changed().wait_until(std::min(until, Clock::now() + kLookEvery));
    local = look(rank);
  }
  co_return local;
}

// ---- signals

void Outcomes::signal_program(Instance& instance, int signal) {
  if (!is_for_jobs(signal)) {
    throw Error(Code::bad_request, fmt::format("signal {} is not sent to jobs", signal),
                "HUP, INT, QUIT, USR1, USR2 and TERM are");
  }
  if (!instance.is_live() && !may_be_alive(instance.program())) return;
  if (ends_a_job(signal)) {  // what its launcher ends is not started again
    JobList::note_stop(instance.job());
    jobs_.save_when_possible(instance.job());
  }
  spdlog::info("job {}: process {} gets signal {} from its launcher", instance.name(),
               instance.program().pid, signal);
  (void)signal_process(instance.program(), signal);
}

LocalOutcome Outcomes::deliver_here(const RankName& rank, int signal) {
  auto local = look(rank);
  if (local.moved_to.empty()) signal_program(*find_arrived(rank), signal);
  return local;
}

asio::awaitable<void> Outcomes::deliver(std::string id, std::optional<std::uint32_t> rank,
                                        int signal) {
  const auto until = Clock::now() + kDeliverMax;
  std::optional<Error> failed;
  for (int places = 0; places < kPlacesMax;) {
    auto* instance = jobs_.by_instance(id);
    if (instance == nullptr) throw Error(Code::not_found, "the job's record is gone");
    const auto local = look(*instance, rank);
    if (local.moved_to.empty()) co_return signal_program(*instance, signal);
    const auto number = rank.value_or(rank_of(*instance));
    RankName name{instance->job().uid(), number};
    try {
      auto agent = http::Endpoint::tcp(parse_destination(local.moved_to).agent());
      const auto there = co_await client_.deliver(std::move(agent), std::move(name), signal);
      if (there.moved_to.empty()) co_return;
      note_place(id, number, there.moved_to);
      ++places;
      continue;
    } catch (...) {
      if (tasks_.is_stopping()) throw;
      failed = error_of(std::current_exception());
    }
    if (is_final(*failed) || failed->code() == Code::bad_request || Clock::now() >= until) {
      throw Error(*failed);
    }
    co_await pause_for(kLookEvery);
  }
}

}  // namespace cardswap::follow
