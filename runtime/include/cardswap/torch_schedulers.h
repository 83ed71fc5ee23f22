#pragma once

#include <cardswap/values.h>
#include <torch/torch.h>

#include <typeinfo>

/// LibTorch's schedules of the learning rate as tracked things. <cardswap/torch.h> includes this.
/// The rate itself is an option of the optimizer, which is tracked on its own.
namespace cardswap {

/// A StepLR, exactly: its count of steps; what it was made with is compared. Throws
/// std::invalid_argument with the type's name for another one, whose own members nobody knows here.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_scheduler(torch::optim::LRScheduler& scheduler);
/// A ReduceLROnPlateauScheduler, exactly: the best metric, its counters and least rates.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_scheduler(
    torch::optim::ReduceLROnPlateauScheduler& scheduler);

/// The count of steps that every LRScheduler has and nothing else: enough for a class derived from
/// it whose rates depend on that count and on what it was made with.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_step_count(
    torch::optim::LRScheduler& scheduler);

namespace detail {

/// A schedule of the program's own that says what else it holds.
template <class T>
class TrackedOwnScheduler final : public TrackedState {
 public:
  explicit TrackedOwnScheduler(T& scheduler)
      : count_(tracked_step_count(scheduler)), own_(scheduler) {
    if (typeid(scheduler) != typeid(T)) {
      throw std::invalid_argument("a schedule of a class derived from the one that saves itself");
    }
  }
  std::vector<std::byte> save() override {
    auto bytes = count_->save();
    const std::vector<std::byte> own = own_.save();
    bytes.insert(bytes.end(), own.begin(), own.end());
    return bytes;
  }
  void load(std::span<const std::byte> bytes) override {
    const auto count = count_->save().size();
    if (bytes.size() < count) throw std::invalid_argument("a schedule of another type");
    count_->load(bytes.first(count));
    own_.load(bytes.subspan(count));
  }

 private:
  const std::unique_ptr<TrackedState> count_;
  T& own_;
};

}  // namespace detail

template <class T>
requires std::derived_from<T, torch::optim::LRScheduler>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& scheduler) { return tracked_scheduler(scheduler); }
};
template <class T>
requires SavesItself<T> && std::derived_from<T, torch::optim::LRScheduler>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& scheduler) {
    return std::make_unique<detail::TrackedOwnScheduler<T>>(scheduler);
  }
};
template <class T>
requires std::derived_from<T, torch::optim::ReduceLROnPlateauScheduler>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& scheduler) { return tracked_scheduler(scheduler); }
};

}  // namespace cardswap
