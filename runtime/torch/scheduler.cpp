#include <c10/util/Type.h>
#include <cardswap/torch.h>

#include <algorithm>
#include <typeinfo>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

namespace cardswap {
namespace {

using torch::optim::LRScheduler;
using torch::optim::StepLR;
using Plateau = torch::optim::ReduceLROnPlateauScheduler;

/// LibTorch keeps a schedule's state in protected and private members and has no save for them. A
/// derived class may name the protected one; an explicit instantiation may name any member, since
/// access is not checked in its arguments. A LibTorch without such a member does not compile here.
struct Count : LRScheduler {
  static unsigned& of(LRScheduler& scheduler) { return scheduler.*(&Count::step_count_); }
};

template <class Tag, typename Tag::Type Pointer>
struct Reveal {
  friend typename Tag::Type member(Tag) { return Pointer; }
};
#define CARDSWAP_REVEAL(Name, Class, Of, Field) \
  struct Name {                                 \
    using Type = Of Class::*;                   \
    friend Type member(Name);                   \
  };                                            \
  template struct Reveal<Name, &Class::Field>
CARDSWAP_REVEAL(StepSize, StepLR, const unsigned, step_size_);
CARDSWAP_REVEAL(Gamma, StepLR, const double, gamma_);
CARDSWAP_REVEAL(Mode, Plateau, Plateau::SchedulerMode, mode);
CARDSWAP_REVEAL(Factor, Plateau, float, factor);
CARDSWAP_REVEAL(Patience, Plateau, int, patience);
CARDSWAP_REVEAL(Threshold, Plateau, double, threshold);
CARDSWAP_REVEAL(ThresholdMode, Plateau, Plateau::ThresholdMode, threshold_mode);
CARDSWAP_REVEAL(Cooldown, Plateau, int, cooldown);
CARDSWAP_REVEAL(CooldownCounter, Plateau, int, cooldown_counter);
CARDSWAP_REVEAL(MinRates, Plateau, std::vector<float>, min_lrs);
CARDSWAP_REVEAL(Epsilon, Plateau, double, eps);
CARDSWAP_REVEAL(Best, Plateau, float, best);
CARDSWAP_REVEAL(LastEpoch, Plateau, int, last_epoch);
CARDSWAP_REVEAL(BadEpochs, Plateau, int, num_bad_epochs);
#undef CARDSWAP_REVEAL

/// Settings come first in the bytes: they are compared, not taken over.
void check(wire::WireReader& reader, std::span<const std::byte> settings) {
  const auto theirs = reader.take(settings.size());
  if (!std::ranges::equal(theirs, settings)) {
    throw std::invalid_argument("the schedules of the two sides were made with other settings");
  }
}

class TrackedCount final : public TrackedState {
 public:
  explicit TrackedCount(LRScheduler& scheduler) : scheduler_(scheduler) {}
  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    writer.u32(Count::of(scheduler_));
    return std::move(writer).take();
  }
  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    const auto count = reader.u32();
    reader.finish();
    Count::of(scheduler_) = count;
  }

 private:
  LRScheduler& scheduler_;
};

class TrackedStepLR final : public TrackedState {
 public:
  explicit TrackedStepLR(StepLR& scheduler) : scheduler_(scheduler) {}
  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    writer.raw(settings()).u32(Count::of(scheduler_));
    return std::move(writer).take();
  }
  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    check(reader, settings());
    const auto count = reader.u32();
    reader.finish();
    Count::of(scheduler_) = count;
  }

 private:
  [[nodiscard]] std::vector<std::byte> settings() const {
    wire::WireWriter writer;
    writer.u32(scheduler_.*member(StepSize{})).f64(scheduler_.*member(Gamma{}));
    return std::move(writer).take();
  }

  StepLR& scheduler_;
};

class TrackedPlateau final : public TrackedState {
  template <class Tag>
  auto& get(Tag tag) const {
    return scheduler_.*member(tag);
  }

 public:
  explicit TrackedPlateau(Plateau& scheduler) : scheduler_(scheduler) {}
  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    writer.raw(settings())
        .f64(get(Best{}))
        .i64(get(CooldownCounter{}))
        .i64(get(LastEpoch{}))
        .i64(get(BadEpochs{}));
    return std::move(writer).take();
  }
  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    check(reader, settings());
    const auto best = static_cast<float>(reader.any_f64());
    const auto cooldown = static_cast<int>(reader.i64());
    const auto epoch = static_cast<int>(reader.i64());
    const auto bad = static_cast<int>(reader.i64());
    reader.finish();
    get(Best{}) = best;
    get(CooldownCounter{}) = cooldown;
    get(LastEpoch{}) = epoch;
    get(BadEpochs{}) = bad;
  }

 private:
  [[nodiscard]] std::vector<std::byte> settings() const {
    wire::WireWriter writer;
    writer.u8(static_cast<std::uint8_t>(get(Mode{})))
        .f64(get(Factor{}))
        .i64(get(Patience{}))
        .f64(get(Threshold{}))
        .u8(static_cast<std::uint8_t>(get(ThresholdMode{})))
        .i64(get(Cooldown{}))
        .f64(get(Epsilon{}))
        .u32(static_cast<std::uint32_t>(get(MinRates{}).size()));
    for (const auto rate : get(MinRates{})) writer.f64(rate);
    return std::move(writer).take();
  }

  Plateau& scheduler_;
};

std::invalid_argument not_known(const std::type_info& type) {
  return std::invalid_argument(
      "a schedule of the type " + c10::demangle(type.name()) +
      ": what it holds besides its count of steps is not known. Give it save and load (the count "
      "goes with them), or track cardswap::tracked_step_count(schedule) if there is nothing else");
}

}  // namespace

std::unique_ptr<TrackedState> tracked_scheduler(LRScheduler& scheduler) {
  // Exactly: a class derived from StepLR may hold more.
  if (typeid(scheduler) != typeid(StepLR)) throw not_known(typeid(scheduler));
  return std::make_unique<TrackedStepLR>(static_cast<StepLR&>(scheduler));
}

std::unique_ptr<TrackedState> tracked_scheduler(Plateau& scheduler) {
  if (typeid(scheduler) != typeid(Plateau)) throw not_known(typeid(scheduler));
  return std::make_unique<TrackedPlateau>(scheduler);
}

std::unique_ptr<TrackedState> tracked_step_count(LRScheduler& scheduler) {
  return std::make_unique<TrackedCount>(scheduler);
}

}  // namespace cardswap
