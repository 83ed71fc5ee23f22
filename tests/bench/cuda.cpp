// What a card's digests and staging reach, on a machine that has one. Copies are the measure: of
// the card's memory within itself, bytes read and written both counted, and of pinned host memory
// from and to the card. Alternating pairs, as everywhere here.
//
//   cuda_digest_over_copy    4 GiB in 1 MiB chunks, launch to digests on the host, over the copy's
//                            bytes read and written a second
//   cuda_staging_over_link   2 GiB between two engines through the staging ring, over the slower of
//                            the card's copies and the same engines with the state in host memory
//   cuda_direct_over_staged  the same with UCX reading the card itself, over the ring; only where
//   UCX
//                            has CUDA: over TCP (_tcp), and by whatever it has (_any)
//   cuda_gather_over_copies  2048 payloads of 4 KiB to the host, gathered, over one copy for each
//   cuda_shuffle_over_bus    256 MiB to the host in shuffled chunks, over the copy engine's rate

#include <fmt/format.h>

#include <optional>

#include "cuda/cuda_device.h"
#include "cuda/gpu_handles.h"
#include "migrator/device/staging.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "migrator/link/link.h"
#include "tests/bench/figure.h"
#include "tests/support/notes.h"

namespace {

using namespace cardswap;
using bench::Figure;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1U << 20U;
constexpr std::size_t kDigested = 4096 * kMiB;
constexpr std::size_t kSent = 2048 * kMiB;
constexpr std::size_t kRegion = 64 * kMiB;
constexpr int kPairs = 9;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Bench {
  std::shared_ptr<cuda::Cudart> runtime = cuda::cudart();
  cuda::Gpu card{runtime, 0};
  cuda::OwnedStream stream{card};
  cuda::OwnedEvent done{card};
  std::shared_ptr<cuda::CudaDevice> device =
      cuda::CudaDevice::open(runtime, 0, {[this] { return stream.get(); }, {}});

  /// Bytes of `to` filled a second.
  double copy_rate(std::byte* to, const std::byte* from, std::size_t bytes) {
    const auto start = Clock::now();
    card.check(runtime->copy(to, from, bytes, stream.get()), "cudaMemcpyAsync", bytes);
    done.record(stream.get());
    done.synchronize();
    return static_cast<double>(bytes) / seconds_since(start);
  }
};

void measure_digest(Bench& bench) {
  const auto memory = bench.device->allocate(kDigested);
  const auto half = kDigested / 2;
  std::vector<MemoryRange> chunks;
  for (std::size_t at = 0; at < kDigested; at += kMiB) {
    chunks.push_back({bench.device.get(), memory.bytes.subspan(at, kMiB)});
  }
  std::vector<Digest> digests(chunks.size());
  const auto digest = [&] {
    const auto start = Clock::now();
    bench.device->digest(chunks, digests, {});
    return static_cast<double>(kDigested) / seconds_since(start) / 1e9;
  };
  const auto copy = [&] {
    return 2 * bench.copy_rate(memory.bytes.data() + half, memory.bytes.data(), half) / 1e9;
  };
  (void)digest();
  (void)copy();
  Figure ratio{"cuda_digest_over_copy", "ratio", {}, 0.8};
  Figure digest_rate{"cuda_digest_rate", "GB/s", {}};
  Figure copy_rate{"cuda_copy_rate", "GB/s", {}};
  for (int i = 0; i < kPairs; ++i) {
    digest_rate.samples.push_back(digest());
    copy_rate.samples.push_back(copy());
    ratio.samples.push_back(digest_rate.samples.back() / copy_rate.samples.back());
  }
  print(ratio);
  print(digest_rate);
  print(copy_rate);
}

/// State on the card, or in memory of the host, for one side of a migration.
class Program final : public SourceProgram, public TargetProgram {
 public:
  Program(Bench& bench, bool on_card) {
    std::vector<Region> layout;
    for (std::size_t i = 0; i < kSent / kRegion; ++i) {
      layout.push_back({fmt::format("r{}", i), "bytes", "", kRegion});
      buffers_.push_back(on_card ? bench.device->allocate(kRegion)
                                 : bench.device->allocate_host(kRegion));
      snapshot_.memory.push_back(buffers_.back().bytes);
      snapshot_.devices.push_back(on_card ? bench.device : shared_cpu_device());
    }
    snapshot_.layout = Layout(std::move(layout));
  }
  /// So that every chunk differs from the other side's.
  void fill(Bench& bench, std::uint8_t with) {
    const auto from = bench.device->allocate_host(kRegion);
    std::ranges::fill(from.bytes, static_cast<std::byte>(with));
    for (const auto& buffer : buffers_) {
      (void)bench.copy_rate(buffer.bytes.data(), from.bytes.data(), kRegion);
    }
  }
  StateView state_view() override { return snapshot_; }
  std::uint64_t step() override { return 1; }  // it stands: one round is all there is
  double median_step_ms() override { return 1; }
  StateView adopt(const Layout&) override { return snapshot_; }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }

 private:
  std::vector<Buffer> buffers_;
  StateView snapshot_;
};

/// Bytes a second, from the first chunk's way to the target's digest of the last one.
double engine_rate(Program& source, Program& target, const std::string& transports) {
  Target receiving({"bench", "127.0.0.1", "token", transports}, target, {});
  test::Notes notes;
  std::optional<double> rate;
  std::optional<Error> failure;
  std::optional<Clock::time_point> begun;
  SourceOptions options;
  options.migration = "bench";
  options.host = "127.0.0.1";
  options.port = receiving.port();
  options.token = "token";
  options.spec.strategy = Strategy::rounds;
  options.spec.compression = Compression::off;  // automatic would stage until it knows the rate
  options.transports = transports;
  SourceCallbacks events;
  events.progress = [&](const MigrationStats& now) {
    notes.note([&] {
      if (!begun && now.transferred > 0) begun = Clock::now();
      if (now.rounds == 0 || rate) return;
      rate = static_cast<double>(now.transferred) / seconds_since(*begun);
    });
  };
  events.failed = [&](const Error& error) { notes.note([&] { failure = error; }); };
  Source sending(std::move(options), source, std::move(events));
  notes.within(std::chrono::seconds(60), [&] { return rate || failure; });
  return notes.look([&] {
    if (failure) throw Error(*failure);
    if (!rate) throw Error(Code::timed_out, "2 GiB did not go over in a minute");
    return *rate;
  });
}

void measure_staging(Bench& bench, const std::string& transports) {
  const auto pinned = bench.device->allocate_host(kRegion);
  const auto there = bench.device->allocate(kRegion);
  Program card_source(bench, true);
  Program card_target(bench, true);
  Program host_source(bench, false);
  Program host_target(bench, false);
  Figure ratio{"cuda_staging_over_link", "ratio", {}, 0.85};
  Figure staged{"cuda_staged_rate", "GB/s", {}};
  Figure link{"cuda_link_rate", "GB/s", {}};
  Figure bus{"cuda_bus_rate", "GB/s", {}};
  for (int i = 0; i < kPairs; ++i) {
    const auto fill = static_cast<std::uint8_t>(2 * i);
    for (auto* source : {&card_source, &host_source}) source->fill(bench, fill);
    for (auto* target : {&card_target, &host_target}) {
      target->fill(bench, static_cast<std::uint8_t>(fill + 1));
    }
    const auto out = bench.copy_rate(pinned.bytes.data(), there.bytes.data(), kRegion);
    const auto in = bench.copy_rate(there.bytes.data(), pinned.bytes.data(), kRegion);
    bus.samples.push_back(std::min(out, in) / 1e9);
    link.samples.push_back(engine_rate(host_source, host_target, transports) / 1e9);
    staged.samples.push_back(engine_rate(card_source, card_target, transports) / 1e9);
    ratio.samples.push_back(staged.samples.back() /
                            std::min(bus.samples.back(), link.samples.back()));
  }
  print(ratio);
  print(staged);
  print(link);
  print(bus);
}

struct NoEvents final : LinkListener {
  void on_control(LinkId, std::span<const std::byte>) override {}
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t) override {
    return {};
  }
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(LinkId, std::string_view) override {}
};

void measure_direct(Bench& bench) {
  struct Way {
    const char* name;
    const char* staged;
    const char* direct;
  };
  Program source(bench, true);
  Program target(bench, true);
  for (const auto& way : {Way{"tcp", "tcp", "tcp,cuda_copy"}, Way{"any", "^cuda", "all"}}) {
    NoEvents events;
    if (!listen_bare_link("127.0.0.1", {way.direct}, events)->direct_bytes_min(MemoryKind::cuda))
      continue;
    Figure ratio{fmt::format("cuda_direct_over_staged_{}", way.name), "ratio", {}};
    for (int i = 0; i < kPairs; ++i) {
      const auto rate = [&, fill = 4 * i](const char* transports, int more) {
        source.fill(bench, static_cast<std::uint8_t>(fill + more));
        target.fill(bench, static_cast<std::uint8_t>(fill + more + 1));
        return engine_rate(source, target, transports);
      };
      ratio.samples.push_back(rate(way.direct, 0) / rate(way.staged, 2));
    }
    print(ratio);
  }
}

/// Bytes a second of `payloads` brought to the host by a staging whose buffers are sent at once.
double fetch_rate(Bench& bench, std::span<const Payload> payloads, FetchOptions options) {
  const auto staging = bench.device->stage({kMiB, std::nullopt});
  (void)staging->fetch(payloads, {}, options);  // its buffers are pinned now
  const auto start = Clock::now();
  std::size_t bytes = 0;
  for (std::size_t begun = 0; begun < payloads.size();) {
    const auto fetched = staging->fetch(payloads.subspan(begun), {}, options);
    for (const auto& piece : fetched) {
      while (!staging->is_ready(piece)) {
      }
      bytes += piece.bytes.size();
    }
    begun += fetched.size();
  }
  return static_cast<double>(bytes) / seconds_since(start);
}

void measure_gathering(Bench& bench) {
  constexpr std::size_t kSmall = 4096;
  const auto memory = bench.device->allocate(256 * kMiB);
  const auto pinned = bench.device->allocate_host(kRegion);
  const auto cut = [&](std::size_t size, std::size_t count) {
    std::vector<Payload> payloads;
    for (std::size_t i = 0; i < count; ++i) {
      payloads.push_back({{bench.device.get(), memory.bytes.subspan(i * size, size)}, 4});
    }
    return payloads;
  };
  const auto small = cut(kSmall, 2048);
  const auto large = cut(kMiB, 256);
  const auto copies = [&] {
    std::vector<std::unique_ptr<cuda::OwnedEvent>> events;
    for (std::size_t i = 0; i < small.size(); ++i) {
      events.push_back(std::make_unique<cuda::OwnedEvent>(bench.card));
    }
    const auto start = Clock::now();
    for (std::size_t i = 0; i < small.size(); ++i) {
      bench.card.check(bench.runtime->copy(pinned.bytes.data() + i * kSmall,
                                           small[i].range.bytes.data(), kSmall, bench.stream.get()),
                       "cudaMemcpyAsync", kSmall);
      events[i]->record(bench.stream.get());
    }
    for (const auto& event : events) {
      while (!event->has_passed()) {
      }
    }
    return static_cast<double>(small.size() * kSmall) / seconds_since(start);
  };
  Figure gather{"cuda_gather_over_copies", "ratio", {}, 1};
  Figure shuffle{"cuda_shuffle_over_bus", "ratio", {}};
  for (int i = 0; i < kPairs; ++i) {
    gather.samples.push_back(fetch_rate(bench, small, {}) / copies());
    shuffle.samples.push_back(fetch_rate(bench, large, {false, true}) /
                              bench.copy_rate(pinned.bytes.data(), memory.bytes.data(), kRegion));
  }
  print(gather);
  print(shuffle);
}

void measure(int argc, char** argv) {
  Bench bench;
  measure_digest(bench);
  measure_gathering(bench);
  // Without CUDA's own transports every byte passes through the ring.
  measure_staging(bench, argc > 1 ? argv[1] : "tcp");
  measure_direct(bench);
}

}  // namespace

int main(int argc, char** argv) { return cardswap::bench::run("cuda", measure, argc, argv); }
