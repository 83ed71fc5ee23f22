#include "runtime/c_api/c_thing.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/wire/moves_whole.h"

/// Collects the answer of a callback.
struct cardswap_out {
  const cardswap::c_api::Thing* thing = nullptr;
  std::shared_ptr<cardswap::c_api::Releases> releases;
  std::vector<cardswap::TrackedRegion> regions;
  std::vector<std::byte> bytes;
  std::vector<cardswap::TrackedObstacle> obstacles;
  std::vector<cardswap::SteppedParameter> parameters;
  std::vector<std::vector<const void*>> rewritten;
  std::vector<cardswap::TrackedGradient> gradients;
  bool no_memory = false;

  /// Calls `fill_it`, which adds to a member. Nothing is thrown into a program of another language.
  template <class Fill>
  void fill(Fill fill_it) noexcept {
    try {
      fill_it();
    } catch (...) {
      no_memory = true;
    }
  }
};

/// Keeps memory that Cardswap gave, for the program.
struct cardswap_keep {
  explicit cardswap_keep(std::shared_ptr<void> held) : keep(std::move(held)) {}
  std::shared_ptr<void> keep;
  const pid_t process = ::getpid();
};

namespace cardswap::c_api {
namespace {

thread_local std::string why_callback_failed;

std::string text(const char* given) { return given == nullptr ? "" : given; }

/// Keeps the program's memory valid until no thread uses it: its destructor adds the token to
/// Releases.
class Kept {
 public:
  Kept(std::shared_ptr<Releases> releases, const Thing& thing, std::uint64_t token)
      : releases_(std::move(releases)), thing_(thing), token_(token) {}
  ~Kept() {
    try {
      releases_->add(thing_, token_);
    } catch (...) {  // no memory: the token is not released before forget()
    }
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

 private:
  const std::shared_ptr<Releases> releases_;
  const Thing& thing_;
  const std::uint64_t token_;
};

}  // namespace

void throw_callback_failure() {
  auto said = std::exchange(why_callback_failed, {});
  throw Error(Code::refused, said.empty() ? "a callback of the program failed" : std::move(said));
}

void set_failure(const char* why) { why_callback_failed = text(why); }

void Releases::add(const Thing& thing, std::uint64_t token) {
  const MutexLock lock(mutex_);
  waiting_.emplace_back(&thing, token);
}

void Releases::hand_back() {
  std::vector<std::pair<const Thing*, std::uint64_t>> now;
  {
    const MutexLock lock(mutex_);
    now.swap(waiting_);
  }
  for (const auto& [thing, token] : now) thing->release(token);
}

Thing::Thing(const cardswap_callbacks& callbacks, void* self, std::string kind, std::string type,
             std::shared_ptr<Releases> releases)
    : self_(self), kind_(std::move(kind)), type_(std::move(type)), releases_(std::move(releases)) {
  // A program that was compiled with another header has fewer callbacks, or more.
  std::memcpy(&callbacks_, &callbacks, std::min(callbacks.size, sizeof(callbacks_)));
}

Thing::~Thing() {
  if (callbacks_.forget != nullptr) callbacks_.forget(self_);
}

void Thing::call(int (*callback)(void*, cardswap_out*), cardswap_out& out) const {
  if (callback == nullptr) return;
  out.thing = this;
  out.releases = releases_;
  why_callback_failed.clear();
  if (callback(self_, &out) != 0) throw_callback_failure();
  if (out.no_memory) throw std::bad_alloc();
}

void Thing::regions(std::vector<TrackedRegion>& all) {
  cardswap_out out;
  call(callbacks_.regions, out);
  std::ranges::move(out.regions, std::back_inserter(all));
}

void Thing::adopt(const std::vector<std::string>& names) {
  if (callbacks_.adopt == nullptr) return;
  std::vector<const char*> texts;
  texts.reserve(names.size());
  for (const auto& name : names) texts.push_back(name.c_str());
  why_callback_failed.clear();
  if (callbacks_.adopt(self_, texts.data(), texts.size()) != 0) throw_callback_failure();
}

std::vector<std::byte> Thing::save() {
  cardswap_out out;
  call(callbacks_.save, out);
  return std::move(out.bytes);
}

void Thing::load(std::span<const std::byte> bytes) {
  if (callbacks_.load == nullptr) {
    if (!bytes.empty()) throw std::invalid_argument("it has values on the other side alone");
    return;
  }
  why_callback_failed.clear();
  if (callbacks_.load(self_, bytes.data(), bytes.size()) != 0) throw_callback_failure();
}

bool Thing::loads_last() const { return (callbacks_.flags & CARDSWAP_LOADS_LAST) != 0; }

ReplayableOptimizer* Thing::replayable() {
  return callbacks_.replay == nullptr || callbacks_.capture == nullptr ? nullptr : this;
}

void Thing::look(std::vector<TrackedObstacle>& obstacles) {
  cardswap_out out;
  call(callbacks_.look, out);
  std::ranges::move(out.obstacles, std::back_inserter(obstacles));
  if ((callbacks_.flags & CARDSWAP_MOVES_WHOLE) != 0) {
    obstacles.push_back({std::string(channel::kMovesWhole), std::string(channel::kMovesWholeHint)});
  }
}

std::vector<std::vector<const void*>> Thing::rewritten() {
  cardswap_out out;
  call(callbacks_.rewritten, out);
  parameter_count_ = out.rewritten.size();
  return std::move(out.rewritten);
}

std::size_t Thing::parameter_count() {
  if (!parameter_count_) (void)rewritten();
  return *parameter_count_;
}

TrackedUpdate Thing::capture() {
  cardswap_out out;
  call(callbacks_.capture, out);
  return {std::move(out.bytes), std::move(out.gradients)};
}

void Thing::replay(const TrackedUpdate& update) {
  std::vector<cardswap_gradient> gradients;
  gradients.reserve(update.gradients.size());
  for (const auto& gradient : update.gradients) {
    gradients.push_back({gradient.parameter, gradient.memory.data(), gradient.memory.size(), 0});
  }
  why_callback_failed.clear();
  if (callbacks_.replay(self_, update.options.data(), update.options.size(), gradients.data(),
                        gradients.size()) != 0) {
    throw_callback_failure();
  }
}

SteppedOptimizer Thing::stepped() const {
  cardswap_out out;
  call(callbacks_.parameters, out);
  return {type_, std::move(out.parameters)};
}

void Thing::release(std::uint64_t token) const {
  if (callbacks_.release != nullptr) callbacks_.release(self_, token);
}

void Thing::relocate(const void* storage, std::span<std::byte> home,
                     std::shared_ptr<void> keep) const {
  if (callbacks_.relocate == nullptr) return;
  auto* held = wrap_keep(std::move(keep));
  // If the program takes `held`, it gives it back itself.
  if (callbacks_.relocate(self_, storage, home.data(), home.size(), held) != 0) let_go(held);
}

cardswap_keep* wrap_keep(std::shared_ptr<void> keep) {
  return std::make_unique<cardswap_keep>(std::move(keep)).release();
}

void let_go(cardswap_keep* keep) {
  const std::unique_ptr<cardswap_keep> held(keep);
  // In a fork the memory is the parent's too, which goes on using it.
  if (held && held->process != ::getpid()) {
    (void)new std::shared_ptr<void>(std::move(held->keep));  // NOLINT: never given back
  }
}

}  // namespace cardswap::c_api

namespace {

void put_regions(cardswap_out& out, std::span<const cardswap_region> regions, std::uint64_t token,
                 bool movable) {
  std::shared_ptr<const void> keep;
  if (token != 0) keep = std::make_shared<cardswap::c_api::Kept>(out.releases, *out.thing, token);
  for (const auto& one : regions) {
    cardswap::TrackedRegion region;
    region.name = cardswap::c_api::text(one.name);
    region.dtype = cardswap::c_api::text(one.dtype);
    region.shape = cardswap::c_api::text(one.shape);
    region.memory = {static_cast<std::byte*>(one.memory), one.bytes};
    region.storage = one.storage;
    region.version = one.version;
    region.keep_alive = keep;
    if (movable) {
      region.relocate = [thing = out.thing, storage = one.storage, bytes = one.bytes](
                            std::byte* home, std::shared_ptr<void> held) {
        thing->relocate(storage, {home, bytes}, std::move(held));
      };
    }
    out.regions.push_back(std::move(region));
  }
}

}  // namespace

// ---- what callbacks put

using cardswap::c_api::Kept;

void cardswap_put_regions(cardswap_out* out, const cardswap_region* regions, size_t count,
                          uint64_t token) {
  out->fill([&] { put_regions(*out, std::span(regions, count), token, false); });
}

void cardswap_put_movable_regions(cardswap_out* out, const cardswap_region* regions, size_t count,
                                  uint64_t token) {
  out->fill([&] { put_regions(*out, std::span(regions, count), token, true); });
}

void cardswap_put_bytes(cardswap_out* out, const void* bytes, uint64_t size) {
  out->fill([&] {
    const auto* first = static_cast<const std::byte*>(bytes);
    out->bytes.insert(out->bytes.end(), first, first + size);
  });
}

void cardswap_put_obstacle(cardswap_out* out, const char* what, const char* hint) {
  out->fill([&] {
    out->obstacles.push_back({cardswap::c_api::text(what), cardswap::c_api::text(hint)});
  });
}

void cardswap_put_parameters(cardswap_out* out, const cardswap_parameter* parameters,
                             size_t count) {
  out->fill([&] {
    for (const auto& one : std::span(parameters, count)) {
      out->parameters.push_back({one.group, one.index, one.tensor, one.storage});
    }
  });
}

void cardswap_put_rewritten(cardswap_out* out, const cardswap_rewritten* rewritten, size_t count,
                            uint32_t parameters) {
  out->fill([&] {
    out->rewritten.resize(parameters);
    for (const auto& one : std::span(rewritten, count)) {
      if (one.parameter < parameters) out->rewritten[one.parameter].push_back(one.storage);
    }
  });
}

void cardswap_put_gradients(cardswap_out* out, const cardswap_gradient* gradients, size_t count) {
  out->fill([&] {
    for (const auto& one : std::span(gradients, count)) {
      std::shared_ptr<const void> keep;
      if (one.token != 0) keep = std::make_shared<Kept>(out->releases, *out->thing, one.token);
      out->gradients.push_back({one.parameter,
                                {static_cast<const std::byte*>(one.memory), one.bytes},
                                std::move(keep),
                                {}});
    }
  });
}

void cardswap_let_go(cardswap_keep* keep) { cardswap::c_api::let_go(keep); }

void cardswap_fail(const char* why) { cardswap::c_api::set_failure(why); }
