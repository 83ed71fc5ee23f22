// What snapshots cost a job and the disk, and how fast a job is back from one. One agent on this
// machine, one GPT with AdamW, its own clock (--times); then its store alone.
//
// stall: the step at whose end the job stood for a snapshot, less a step. slowdown: the time of a
// block of steps under protection against one without, in turns, in one process. bytes: what a
// snapshot added to the folder, against what its changed chunks take when they are packed by hand.
// restore, verify: of a store with one snapshot, against reading its packs and hashing its bytes.
// recover: from SIGKILL to the first new step, against a start. peers: torch.save and torch's
// distributed checkpoint, of as many bytes.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/open_store.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/workers.h"
#include "runtime/snapshot/read_snapshot.h"
#include "tests/bench/figure.h"
#include "tests/bench/snapshots_bench.h"

namespace {

using namespace cardswap;
using bench::Better;
using bench::bytes_below;
using bench::Figure;
using bench::median;
using bench::ms_since;
using bench::print;
using bench::SnapshotBench;
using bench::SnapshotOptions;
using Clock = std::chrono::steady_clock;

double sum(const std::vector<double>& all) {
  double total = 0;
  for (const double one : all) total += one;
  return total;
}

/// What the peers are held against.
struct Ours {
  double step_ms = 0;
  double stall_ms = 0;
  double bytes = 0;
};

/// In turns: a block of steps without protection, one with.
void measure_steps(SnapshotBench& bench, Ours& ours) {
  const auto in_blocks = [&](const std::string& every, std::int64_t block, Figure& slowdown) {
    for (int i = 0; i < bench.options().pairs; ++i) {
      const auto without = bench.steps(block);
      ours.step_ms = median(without);
      bench.protect(every, "protected");
      const auto with = bench.steps(block);
      bench.end_protection();
      slowdown.samples.push_back(100 * (sum(with) / sum(without) - 1));
    }
  };
  Figure stall{"snap_stall_over_step", "steps", {}, 0.1, Better::lower};
  Figure stall_ms{"snap_stall_ms", "ms", {}, {}, Better::lower};
  Figure of_20{"snap_slowdown_every_20", "%", {}, {}, Better::lower};
  Figure of_100{"snap_slowdown_every_100", "%", {}, 2, Better::lower};
  if (bench.options().has("slowdown")) in_blocks("100", 100, of_100);
  in_blocks("20", 40, of_20);
  const auto at = bench.begins();
  for (const auto step : bench.snapshot_steps()) {
    if (!at.contains(step) || !at.contains(step - 1)) continue;
    stall_ms.samples.push_back(at.at(step) - at.at(step - 1) - ours.step_ms);
    stall.samples.push_back(stall_ms.samples.back() / ours.step_ms);
  }
  ours.stall_ms = median(stall_ms.samples);
  print(stall);
  print(stall_ms);
  if (!of_100.samples.empty()) print(of_100);
  print(of_20);
  print({"snap_step_ms", "ms", {ours.step_ms}});
}

/// The snapshot of a store that has one, or the newest.
struct Opened {
  explicit Opened(const std::string& address) : store(store::open_store(address)) {
    catalog.refresh(*store);
    const auto job = store::jobs_in(*store).at(0);
    refs = store::refs_of(*store, job).refs;
  }
  std::unique_ptr<store::Store> store;
  store::PackCatalog catalog;
  std::vector<store::Ref> refs;
};

/// The bytes that the chunks of `now` take which `before` has not, packed one by one.
double packed_bytes_of_changes(const Opened& in, const store::Ref& before, const store::Ref& now) {
  const store::SnapshotReader was(*in.store, in.catalog, before);
  const store::SnapshotReader is(*in.store, in.catalog, now);
  Compressor compressor;
  double packed = 0;
  const auto& manifest = is.manifest();
  std::vector<std::byte> bytes;
  for (const auto& chunk : cut_into_chunks(manifest.layout, manifest.chunk_bytes)) {
    const auto index = chunk.offset / manifest.chunk_bytes;
    const auto& id = is.chunk_id(chunk.region, index);
    if (id == was.chunk_id(chunk.region, index)) continue;
    bytes.resize(chunk.bytes);
    is.read(compressor, chunk.region, chunk.offset, bytes);
    const auto& region = manifest.layout.regions()[static_cast<std::size_t>(chunk.region)];
    const auto element = element_bytes(region.dtype);
    packed +=
        static_cast<double>(store::encode_chunk(compressor, id, bytes, element).stored.size());
  }
  return packed;
}

void measure_bytes(SnapshotBench& bench, Ours& ours) {
  Figure over{"snap_bytes_over_changed", "ratio", {}, 1.03, Better::lower};
  (void)bench.snapshot("chain");
  ours.bytes = static_cast<double>(bytes_below(bench.folder("chain")));
  for (int i = 0; i < 3; ++i) {
    const auto before = bytes_below(bench.folder("chain"));
    (void)bench.steps(1);
    (void)bench.snapshot("chain");
    const auto grown = static_cast<double>(bytes_below(bench.folder("chain")) - before);
    const Opened in(bench.store("chain"));
    over.samples.push_back(
        grown / packed_bytes_of_changes(in, in.refs[in.refs.size() - 2], in.refs.back()));
  }
  print(over);
  print({"snap_bytes", "MiB", {ours.bytes / (1 << 20)}});
}

void measure_lora(SnapshotBench& bench) {
  constexpr double kWidth = 1024;
  bench.start("lora", {test::trainer("lora"), "--width", "1024"});
  (void)bench.snapshot("lora");
  const auto full = static_cast<double>(bytes_below(bench.folder("lora")));
  Figure over{"lora_incremental_over_full", "ratio", {}, {}, Better::lower};
  // Of each layer two adapters of rank 2, with two moments each; the frozen ones have none.
  const double trained = 3 * 2 * 2 * kWidth;
  over.goal = trained / (trained + kWidth * kWidth + kWidth) + 0.01;
  auto before = full;
  for (int i = 0; i < 3; ++i) {
    (void)bench.steps(2);
    (void)bench.snapshot("lora");
    const auto now = static_cast<double>(bytes_below(bench.folder("lora")));
    over.samples.push_back((now - before) / full);
    before = now;
  }
  bench.stop();
  print(over);
}

/// Lets the kernel forget the packs, as it had before anybody read them.
void forget(const std::filesystem::path& packs) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(packs)) {
    if (!entry.is_regular_file()) continue;
    const Descriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    (void)::fsync(file.get());
    (void)::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}
double read_ms(const std::filesystem::path& packs) {
  std::vector<char> piece(16U << 20);
  const auto begun = Clock::now();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(packs)) {
    if (!entry.is_regular_file()) continue;
    const Descriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    while (::read(file.get(), piece.data(), piece.size()) > 0) {
    }
  }
  return ms_since(begun);
}

/// Of a store with one snapshot. Returns how long its packs take to be read.
double measure_store(SnapshotBench& bench) {
  (void)bench.snapshot("one");
  const auto packs = bench.folder("one") / "packs";
  Figure restore{"restore_over_read", "ratio", {}, 0.6};
  Figure verify{"verify_over_sha256", "ratio", {}, 0.8};
  Figure restore_rate{"restore_rate", "MiB/s", {}};
  Figure verify_rate{"verify_rate", "MiB/s", {}};
  std::vector<double> reads;
  const Opened in(bench.store("one"));
  store::Workers workers;
  const auto& ref = in.refs.back();
  for (int i = 0; i < bench.options().repeats; ++i) {
    forget(packs);
    reads.push_back(read_ms(packs));
    forget(packs);
    auto begun = Clock::now();
    const auto state = read_snapshot(*in.store, ref.manifest);
    const auto restored_ms = ms_since(begun);
    double mib = 0;
    for (const auto& memory : state.view.memory)
      mib += static_cast<double>(memory.size()) / (1 << 20);
    begun = Clock::now();
    for (const auto& memory : state.view.memory) (void)store::id_of(memory);
    const auto hashed_ms = ms_since(begun);
    const store::SnapshotReader reader(*in.store, in.catalog, ref);
    begun = Clock::now();
    store::Verification shared{workers};
    if (!reader.verify({}, &shared).empty()) throw std::runtime_error("a snapshot is damaged");
    const auto verified_ms = ms_since(begun);
    restore.samples.push_back(reads.back() / restored_ms);
    verify.samples.push_back(hashed_ms / verified_ms);
    restore_rate.samples.push_back(1e3 * mib / restored_ms);
    verify_rate.samples.push_back(1e3 * mib / verified_ms);
  }
  for (const auto& figure : {restore, verify, restore_rate, verify_rate}) print(figure);
  return median(reads);
}

void measure_recovery(SnapshotBench& bench, double start_ms, double read_ms) {
  Figure over{"recover_over_start", "ratio", {}, {}, Better::lower};
  over.goal = std::round(100 * (1.3 + read_ms / start_ms)) / 100;
  Figure ms{"recover_ms", "ms", {}, {}, Better::lower};
  (void)bench.snapshot("one");
  for (int i = 0; i < 3; ++i) {
    ms.samples.push_back(bench.recover("one", bench.gpt()));
    over.samples.push_back(ms.samples.back() / start_ms);
  }
  print(over);
  print(ms);
  print({"start_ms", "ms", {start_ms}});
}

/// Each line of the peers' program: a name, and a number.
void measure_peers(const SnapshotBench& bench, const Ours& ours) {
  const auto& options = bench.options();
  if (options.python.empty()) {
    fmt::print(stderr, "# no peers: scripts/setup.sh --python makes their torch\n");
    return;
  }
  const auto said =
      test::run({options.python, "-B", options.peers, "--layers", std::to_string(options.layers),
                 "--width", std::to_string(options.width), "--repeats",
                 std::to_string(options.repeats), bench.folder("peers").string()});
  if (said.exit_code != 0) throw std::runtime_error("the peers failed: " + said.err);
  std::map<std::string, std::vector<double>> samples;
  std::istringstream lines(said.out);
  std::string name;
  for (double value = 0; lines >> name >> value;) samples[name].push_back(value);
  for (const std::string peer : {"torch_save", "torch_dcp_async"}) {
    const auto& stalls = samples.at(peer + "_stall_ms");
    const auto& bytes = samples.at(peer + "_bytes");
    print({peer + "_stall_ms", "ms", stalls, {}, Better::lower});
    print({peer + "_bytes", "MiB", {median(bytes) / (1 << 20)}});
    if (ours.stall_ms > 0) {
      print({peer + "_stall_over_ours", "times", {median(stalls) / ours.stall_ms}, 1});
    }
    if (ours.bytes > 0) {
      print({peer + "_bytes_over_ours", "times", {median(bytes) / ours.bytes}, 1});
    }
  }
}

void run_with(int argc, char** argv) {
  SnapshotOptions options;
  CLI::App app("What snapshots cost, and how fast a job is back from one");
  app.add_option("--parts", options.parts, "stall, slowdown, bytes, lora, store, recover, peers")
      ->delimiter(',')
      ->check(CLI::IsMember({"stall", "slowdown", "bytes", "lora", "store", "recover", "peers"}));
  app.add_option("--pairs", options.pairs, "Of blocks of steps")->check(CLI::Range(1, 100));
  app.add_option("--repeats", options.repeats, "Of what is measured at the store, and of the peers")
      ->check(CLI::Range(1, 1000));
  app.add_option("--layers", options.layers)->check(CLI::Range(1, 1000));
  app.add_option("--width", options.width)->check(CLI::Range(8, 100000));
  app.add_option("--text", options.text, "What the trainer learns")->required();
  app.add_option("--python", options.python, "With torch, for the peers; default: none");
  app.add_option("--peers", options.peers, "The peers' program");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  SnapshotBench bench(options);
  Ours ours;
  const auto start_ms = bench.start("gpt", bench.gpt());
  double packs_ms = 0;
  if (options.has("stall") || options.has("slowdown")) measure_steps(bench, ours);
  if (options.has("bytes")) measure_bytes(bench, ours);
  if (options.has("store")) packs_ms = measure_store(bench);
  if (options.has("recover")) measure_recovery(bench, start_ms, packs_ms);
  bench.stop();
  if (options.has("lora")) measure_lora(bench);
  if (options.has("peers")) measure_peers(bench, ours);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("snapshots", run_with, argc, argv); }
