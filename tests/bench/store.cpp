// How near a store comes to what each of its bytes must go through: SHA-256 for a save and a check,
// reading the same packs for a restore. The state is of floats as a trainer has them, so chunks are
// packed by zstd; a second one is of noise, which lies in the packs as it is.
//
// The floor, for one thread and a byte of state: a save hashes it (XXH3, SHA-256), shuffles and
// packs it, copies what is left, hashes that again for the pack's name, writes and reads it back; a
// check reads what is stored, unpacks it and hashes the plain bytes twice (SHA-256, XXH3).
// The figures with "floor" in their names are these without disk, divided by the threads: what is
// measured below them is waste, or the disk.
//
// Pairs alternate, so that what disturbs the machine disturbs both.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/core/digest.h"
#include "migrator/store/file_store.h"
#include "migrator/store/names.h"
#include "migrator/store/object_id.h"
#include "migrator/store/pack.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/snapshot_writer.h"
#include "migrator/store/store_file.h"
#include "migrator/store/workers.h"
#include "migrator/wire/data_messages.h"
#include "tests/bench/figure.h"

namespace {

using namespace cardswap;         // NOLINT(google-build-using-namespace)
using namespace cardswap::store;  // NOLINT(google-build-using-namespace)
using bench::Figure;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kChunk = kStoreChunkBytesMax;
constexpr std::size_t kChunks = 256;
constexpr int kRounds = 5;

/// A folder of this run, which goes with it.
class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A state of one region, and what is measured of it.
struct State {
  std::string name;
  Layout layout;
  std::vector<std::byte> bytes;
  std::uint8_t element_bytes = 1;

  [[nodiscard]] std::span<const std::byte> chunk(std::size_t i) const {
    return std::span(bytes).subspan(i * kChunk, kChunk);
  }
};

State floats() {
  State state{
      "packed",
      Layout({{"w", "Float", fmt::format("[{}]", kChunks * kChunk / 4), kChunks * kChunk, 0}}),
      std::vector<std::byte>(kChunks * kChunk), 4};
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02F);
  for (std::size_t i = 0; i < state.bytes.size(); i += sizeof(float)) {
    const float value = normal(random);
    std::memcpy(&state.bytes[i], &value, sizeof(value));
  }
  return state;
}

State noise() {
  State state{"plain",
              Layout({{"w", "Byte", fmt::format("[{}]", kChunks * kChunk), kChunks * kChunk, 0}}),
              std::vector<std::byte>(kChunks * kChunk), 1};
  std::mt19937_64 random(2);
  for (std::size_t i = 0; i < state.bytes.size(); i += sizeof(std::uint64_t)) {
    const auto value = random();
    std::memcpy(&state.bytes[i], &value, sizeof(value));
  }
  return state;
}

template <class Work>
double seconds(Work work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double gb(std::size_t bytes) { return static_cast<double>(bytes) / 1e9; }

/// As the keeper does it.
Ref save(Store& into, const State& state, const std::string& writer, Workers& workers,
         std::optional<Ref> parent) {
  PackCatalog catalog;
  SnapshotWriter out(into, catalog,
                     {.job = "job",
                      .layout = state.layout,
                      .chunk_bytes = kChunk,
                      .writer = writer,
                      .parent = std::move(parent),
                      .workers = &workers});
  std::vector<Digest> digests(kChunks);
  workers.for_each(kChunks,
                   [&](std::size_t i, unsigned) { digests[i] = digest_of(state.chunk(i)); });
  std::vector<GivenChunk> changed;
  for (std::size_t i = 0; i < kChunks; ++i) {
    if (out.parent_digest(RegionId{0}, i) == digests[i]) {
      out.keep(RegionId{0}, i);
    } else {
      changed.push_back({RegionId{0}, i, state.chunk(i)});
    }
  }
  out.add_all(changed);
  out.add_values({});
  out.add_digests(digests);
  SnapshotFacts facts;
  facts.state_digest = data::state_digest_of(state.layout, digests, digest_of({}));
  return out.commit(facts);
}

std::vector<std::string> packs_in(const std::filesystem::path& folder) {
  std::vector<std::string> packs;
  for (const auto& one : std::filesystem::recursive_directory_iterator(folder)) {
    if (one.path().extension() == ".pack") packs.push_back(one.path().string());
  }
  return packs;
}

void forget_pages(const std::vector<std::string>& files) {
  for (const auto& file : files) {
    const Descriptor at(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    (void)::posix_fadvise(at.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

/// Reads the files as `dd bs=16M` does. Returns their bytes.
std::size_t read_plain(const std::vector<std::string>& files, std::vector<std::byte>& buffer) {
  std::size_t all = 0;
  for (const auto& file : files) {
    const Descriptor at(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    for (ssize_t size = 1; size > 0; all += static_cast<std::size_t>(std::max<ssize_t>(size, 0))) {
      size = ::read(at.get(), buffer.data(), buffer.size());
    }
  }
  return all;
}

/// What a save and a check must do to each chunk, without store and disk, on one thread.
struct Floors {
  double save_s = 0;
  double verify_s = 0;
};

Floors floors_of(const State& state) {
  Compressor compressor;
  std::vector<EncodedChunk> encoded;
  Floors floors;
  std::size_t stored = 0;
  floors.save_s = seconds([&] {
    for (std::size_t i = 0; i < kChunks; ++i) {
      const auto bytes = state.chunk(i);
      (void)digest_of(bytes);
      // Noise is hardly ever tried.
      encoded.push_back(encode_chunk(compressor, id_of(bytes), bytes, state.element_bytes,
                                     state.element_bytes > 1));
      (void)id_of(encoded.back().stored);  // the pack's
      stored += encoded.back().stored.size();
    }
  });
  std::vector<std::byte> plain(kChunk);
  floors.verify_s = seconds([&] {
    for (const auto& chunk : encoded) {
      decode_chunk(compressor, chunk.place, chunk.stored, plain);
      (void)digest_of(plain);
    }
  });
  fmt::print(stderr, "store: {}: {:.2f} bytes stored for each of state\n", state.name,
             static_cast<double>(stored) / static_cast<double>(state.bytes.size()));
  return floors;
}

class StoreBench {
 public:
  StoreBench(const State& state, std::filesystem::path folder)
      : state_(state), folder_(std::move(folder)) {}

  void run() {
    for (int round = 0; round < kRounds; ++round) measure(round);
    for (auto* figure :
         {&save_, &save_floor_, &again_, &verify_, &verify_floor_, &restore_, &sha_}) {
      figure->name += "_" + state_.name;
      print(*figure);
    }
  }

 private:
  void measure(int round) {
    const Folder folder(folder_ / fmt::format("{}-{}", state_.name, round));
    FileStore in(folder.path());
    (void)ensure_store_file(in, "bench");
    const double size = gb(state_.bytes.size());
    const double sha = size / seconds([&] {
                         for (std::size_t i = 0; i < kChunks; ++i) (void)id_of(state_.chunk(i));
                       });
    sha_.samples.push_back(sha);
    const auto floors = floors_of(state_);
    const auto threads = static_cast<double>(workers_.slots());
    save_floor_.samples.push_back(size / floors.save_s * threads / sha);
    verify_floor_.samples.push_back(size / floors.verify_s * threads / sha);
    std::optional<Ref> ref;
    save_.samples.push_back(size / seconds([&] { ref = save(in, state_, "one", workers_, {}); }) /
                            sha);
    again_.samples.push_back(size / seconds([&] { ref = save(in, state_, "two", workers_, ref); }) /
                             sha);

    PackCatalog catalog;
    catalog.refresh(in);
    const SnapshotReader reader(in, catalog, *ref);
    const double check = seconds([&] {
      Verification shared{workers_};
      if (!reader.verify({}, &shared).empty()) throw Error(Code::corrupt, "the store is damaged");
    });
    verify_.samples.push_back(size / check / sha);

    const auto packs = packs_in(folder.path());
    std::vector<std::byte> buffer(16U << 20);
    std::vector<std::byte> memory(state_.bytes.size());
    const std::vector<std::span<std::byte>> regions{memory};
    forget_pages(packs);
    const double read = seconds([&] { (void)read_plain(packs, buffer); });
    forget_pages(packs);
    const double restore = seconds([&] { (void)reader.read_all(workers_, regions); });
    if (memory != state_.bytes) throw Error(Code::corrupt, "the store has other bytes");
    restore_.samples.push_back(read / restore);
  }

  const State& state_;
  const std::filesystem::path folder_;
  Workers workers_;
  Figure save_{"save_over_sha256", "ratio", {}};
  Figure save_floor_{"save_floor_over_sha256", "ratio", {}};
  Figure again_{"save_unchanged_over_sha256", "ratio", {}};
  Figure verify_{"verify_over_sha256", "ratio", {}, 0.8};
  Figure verify_floor_{"verify_floor_over_sha256", "ratio", {}};
  Figure restore_{"restore_over_read", "ratio", {}, 0.6};
  Figure sha_{"sha256_rate", "GB/s", {}};
};

void measure(int argc, char** argv) {
  const Folder folder(std::filesystem::path(argc > 1 ? argv[1] : ".") /
                      fmt::format("bench-store-{}", ::getpid()));
  for (const auto& state : {floats(), noise()}) StoreBench(state, folder.path()).run();
}

}  // namespace

int main(int argc, char** argv) { return bench::run("store", measure, argc, argv); }
