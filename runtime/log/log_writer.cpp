#include "runtime/log/log_writer.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/ms_since.h"
#include "migrator/store/open_store.h"
#include "runtime/log/log_segment_bytes.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

/// A segment is closed with the step that fills it.
constexpr std::uint64_t kSegmentBytes = 64U << 20;
/// Held for the store, besides the gradients of two steps.
constexpr std::uint64_t kHeldBytesMin = 64U << 20;
constexpr std::uint64_t kStepsHeld = 3;
constexpr std::chrono::seconds kRetryAfter{2};
constexpr int kBehindTheTrainer = 10;  // nice

}  // namespace

LogWriter::LogWriter(std::string store, store::LogStart start, store::LogWindow window,
                     std::uint64_t base_step)
    : address_(std::move(store)),
      start_(std::move(start)),
      window_(window),
      base_step_(base_step),
      thread_([this] { run(); }) {}

LogWriter::~LogWriter() {
  const MutexLock lock(mutex_);
  stops_ = true;
  changed_.notify_all();
}

void LogWriter::leave_out(std::uint64_t step, std::uint64_t count) {
  figures_.dropped += count;
  figures_.dropped_step = step;
  done_ = std::max(done_, step);
  changed_.notify_all();
}

bool LogWriter::add(LoggedStep step) {
  const MutexLock lock(mutex_);
  const auto bytes = step.bytes();
  largest_ = std::max(largest_, bytes);
  if (held_bytes_ != 0 && held_bytes_ + bytes > std::max(kStepsHeld * largest_, kHeldBytesMin)) {
    leave_out(step.step, 1);
    return false;
  }
  held_bytes_ += bytes;
  waiting_.push_back({std::move(step), std::nullopt, false});
  return true;
}

void LogWriter::settle(std::uint64_t step, std::optional<Digest> root) {
  const MutexLock lock(mutex_);
  if (waiting_.empty() || waiting_.back().step.step != step) return;
  waiting_.back().root = root;
  waiting_.back().is_settled = true;
  changed_.notify_all();
}

void LogWriter::wait_for(std::uint64_t step) {
  const auto begun = Clock::now();
  MutexLock lock(mutex_);
  while (done_ < step && !stops_) changed_.wait(lock);
  figures_.waited_ms += ms_since(begun);
}

void LogWriter::set_base(std::uint64_t step) {
  const MutexLock lock(mutex_);
  base_step_ = std::max(base_step_, step);
}

LogFigures LogWriter::figures() const {
  const MutexLock lock(mutex_);
  auto figures = figures_;
  figures.behind = waiting_.size() + writing_;
  return figures;
}

void LogWriter::run() {
  // As the keeper's threads do. It is the thread's own, by Linux's reading of POSIX.
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kBehindTheTrainer);
  while (true) {
    auto steps = take();
    if (steps.empty()) return;
    const auto last = steps.back().step.step;
    const auto count = steps.size();
    std::uint64_t bytes = 0;
    for (const auto& one : steps) bytes += one.step.bytes();
    std::string failure;
    try {
      if (Clock::now() >= retry_at_) {
        write(std::move(steps));
      } else {
        failure = figures().failure;
      }
    } catch (...) {
      failure = error_of(std::current_exception()).what();
      retry_at_ = Clock::now() + kRetryAfter;
    }
    steps.clear();
    const MutexLock lock(mutex_);
    writing_ = 0;
    held_bytes_ -= bytes;
    figures_.failure = failure;
    if (!failure.empty()) leave_out(last, count);
    done_ = std::max(done_, last);
    changed_.notify_all();
  }
}

std::vector<LogWriter::Waiting> LogWriter::take() {
  MutexLock lock(mutex_);
  while (!stops_ && (waiting_.empty() || !waiting_.front().is_settled)) changed_.wait(lock);
  std::vector<Waiting> steps;
  if (stops_) return steps;
  std::uint64_t bytes = 0;
  while (!waiting_.empty() && waiting_.front().is_settled && bytes < kSegmentBytes) {
    const auto& next = waiting_.front();
    if (!steps.empty() && next.step.step != steps.back().step.step + 1) break;  // behind a gap
    bytes += next.step.bytes();
    steps.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  writing_ = steps.size();
  return steps;
}

std::unique_ptr<store::Store> LogWriter::open() {
  auto store = store::open_or_create_store(address_);
  if (segments_) return store;
  auto found = store::log_segments(*store, start_.job, start_.run, start_.branch);
  std::ranges::sort(found, {}, [](const auto& one) { return std::pair(one.last, one.epoch); });
  segments_ = std::move(found);
  return store;
}

void LogWriter::make_room(store::Store& in, std::uint64_t coming) {
  std::uint64_t base = 0;
  {
    const MutexLock lock(mutex_);
    base = base_step_;
  }
  const auto cut = store::cut_of(*segments_, base, window_, coming);
  for (std::size_t i = 0; i < cut.removable; ++i) {
    in.remove(store::log_name(start_.job, start_.run, segments_->front()));
    segments_->erase(segments_->begin());
  }
  if (!cut.is_full) return;
  throw Error(Code::no_memory,
              fmt::format("the log has as many bytes as it may ({}), and leads on from the newest "
                          "snapshot, of step {}",
                          window_.bytes, base),
              "allow more with --window, or take snapshots more often");
}

void LogWriter::write(std::vector<Waiting> steps) {
  LogSegmentBytes bytes(start_);
  std::uint64_t unproven = 0;
  for (const auto& one : steps) {
    bytes.add(one.step, one.root);
    if (!one.root) ++unproven;
  }
  const auto store = open();
  make_room(*store, bytes.size());
  const store::LogSegment segment{start_.epoch, steps.front().step.step, steps.back().step.step,
                                  bytes.size()};
  const auto name = store::log_name(start_.job, start_.run, segment);
  if (store->put_new_from(name, bytes.pieces()) == store::PutResult::exists) {
    throw Error(Code::conflict, name + ": another copy of the job has logged that step");
  }
  segments_->push_back(segment);
  std::uint64_t kept = 0;
  for (const auto& one : *segments_) kept += one.bytes;
  const MutexLock lock(mutex_);
  figures_.logged = segment.last;
  figures_.unproven += unproven;
  figures_.kept_bytes = kept;
  figures_.kept_from = segments_->front().first;
}

}  // namespace cardswap
