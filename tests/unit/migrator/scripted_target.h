#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <variant>
#include <vector>

#include "migrator/engine/chunk_map.h"
#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/replay/replay_shards.h"
#include "migrator/engine/update_entry.h"
#include "migrator/link/link.h"
#include "tests/support/no_link.h"

// What the parts of a source are tested against: a target that is a link in this thread, and a
// program of two shards.

namespace cardswap::test {

/// A target that answers what it must at once, and notes all the rest.
class ScriptedTarget final : public NoLink {
 public:
  /// A payload as it came.
  struct Payload {
    data::PayloadHeader what;
    std::vector<std::byte> bytes;
  };
  /// `multiplies`: as Accept has it.
  explicit ScriptedTarget(LinkListener& source, bool multiplies = false)
      : source_(source), multiplies_(multiplies) {}

  void send_control(LinkId, std::vector<std::byte> bytes) override {
    auto message = data::decode(bytes);
    if (const auto* hello = std::get_if<data::LayoutOffered>(&message)) {
      const auto chunks = ChunkMap(hello->layout, hello->chunk_bytes).size();
      say(data::Accept{static_cast<std::uint32_t>(chunks), multiplies_});
      say(data::ChunkDigests{});
    } else if (const auto* ping = std::get_if<data::Ping>(&message)) {
      say(data::Pong{ping->sent_ns, ping->sent_ns});
    } else {
      heard.push_back(std::move(message));
    }
  }
  void send_payload(LinkId, std::vector<std::byte> header, std::span<const std::byte> payload,
                    std::shared_ptr<const void>) override {
    payloads.push_back(
        {data::decode_payload_header(header).what, {payload.begin(), payload.end()}});
  }
  /// Tells the source when it waits next.
  void say(data::Message message) { to_say_.push_back(std::move(message)); }
  void wait(std::chrono::steady_clock::time_point) override {
    for (; !to_say_.empty(); to_say_.pop_front()) {
      source_.on_control(kServer, data::encode(to_say_.front()));
    }
  }
  /// The messages of one kind that came, in order.
  template <class Kind>
  [[nodiscard]] std::vector<Kind> heard_of() const {
    std::vector<Kind> some;
    for (const auto& message : heard) {
      if (const auto* one = std::get_if<Kind>(&message)) some.push_back(*one);
    }
    return some;
  }

  std::vector<data::Message> heard;
  std::vector<Payload> payloads;

 private:
  LinkListener& source_;
  const bool multiplies_;
  std::deque<data::Message> to_say_;
};

/// A program of two parameters of a chunk and a half each, which update nothing else.
class TwoShards final : public SourceProgram {
 public:
  static constexpr std::size_t kFloats = 1536;
  static constexpr std::size_t kBytes = kFloats * sizeof(float);

  StateView state_view() override {
    StateView view;
    view.layout = Layout({{"a", "Float", "[1536]", kBytes}, {"b", "Float", "[1536]", kBytes}});
    view.memory = {a, b};
    view.devices = {shared_cpu_device(), shared_cpu_device()};
    view.step = steps;
    view.shards = std::make_shared<const std::vector<Shard>>(std::vector<Shard>{
        {ParameterId{0}, {RegionId{0}}, true}, {ParameterId{1}, {RegionId{1}}, true}});
    return view;
  }
  std::uint64_t step() override { return steps; }
  double median_step_ms() override { return 1; }

  std::vector<std::byte> a = std::vector<std::byte>(kBytes, std::byte{0xaa});
  std::vector<std::byte> b = std::vector<std::byte>(kBytes, std::byte{0xbb});
  std::uint64_t steps = 1;
};

/// A source of that program, connected to that target, with the smallest chunks.
class ReplayingSource {
 public:
  static constexpr std::size_t kChunkBytes = 4096;

  explicit ReplayingSource(bool multiplies = false)
      : context(
            options, program, events,
            [this, multiplies](LinkListener& source) {
              auto made = std::make_unique<ScriptedTarget>(source, multiplies);
              target = made.get();
              return made;
            },
            std::stop_token()) {
    context.connect();
    target->heard.clear();
    const auto view = program.state_view();
    (void)shards.follow(view.layout, *view.shards, {});
  }
  /// A gradient of floats that are all `value`.
  static CapturedGradient gradient(std::uint32_t parameter, float value) {
    const auto floats = std::make_shared<std::vector<float>>(TwoShards::kFloats, value);
    return {ParameterId{parameter}, std::as_bytes(std::span(*floats)), floats};
  }
  static UpdateEntry entry(std::uint64_t step, std::vector<CapturedGradient> gradients) {
    UpdateEntry made;
    made.step = step;
    made.gradients = std::move(gradients);
    return made;
  }

  SourceOptions options = [] {
    SourceOptions made;
    made.spec.strategy = Strategy::replay;
    made.spec.chunk_bytes = kChunkBytes;
    made.spec.compression = Compression::off;
    return made;
  }();
  TwoShards program;
  SourceCallbacks events;
  ScriptedTarget* target = nullptr;  // the context's link
  SourceContext context;
  ReplayShards shards;
};

}  // namespace cardswap::test
