#pragma once

#include <cardswap/values.h>
#include <torch/torch.h>

#include <typeinfo>

/// LibTorch's learning rate schedulers as tracked things. <cardswap/torch.h> includes this. The
/// rate itself is an option of the optimizer, which is tracked on its own. Each scheduler must
/// outlive the session.
namespace cardswap {

/// A StepLR: its count of steps is carried, its settings must be the same on both sides. Throws
/// std::invalid_argument, which names the type, for any other class, because its members are not
/// known here.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_scheduler(torch::optim::LRScheduler& scheduler);
/// A ReduceLROnPlateauScheduler: its best metric and its counters are carried, its settings must be
/// the same on both sides. Throws std::invalid_argument for a derived class.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_scheduler(
    torch::optim::ReduceLROnPlateauScheduler& scheduler);

/// Only the count of steps that every LRScheduler has. This is enough for a derived class whose
/// rates depend on that count and on its settings alone.
[[nodiscard]] std::unique_ptr<TrackedState> tracked_step_count(
    torch::optim::LRScheduler& scheduler);

namespace detail {

/// A scheduler class of the program with save() and load() for its own members.
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
