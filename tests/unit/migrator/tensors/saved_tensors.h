#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "migrator/store/in_memory_store.h"
#include "tests/unit/migrator/store/sample.h"

/// A store with snapshots of a few tensors, and the verbs of a test about them and their files.
namespace cardswap::tensors::test {

template <class Number>
std::vector<std::byte> bytes_of(const std::vector<Number>& numbers) {
  std::vector<std::byte> bytes(numbers.size() * sizeof(Number));
  if (!bytes.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<std::string> files_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& one : std::filesystem::directory_iterator(folder)) {
    names.push_back(one.path().filename().string());
  }
  return names;
}

/// Counts what is read of packs.
class CountingStore final : public store::Store {
 public:
  store::PutResult put_new(const std::string& name, std::span<const std::byte> bytes) override {
    return inner_.put_new(name, bytes);
  }
  std::size_t read(const std::string& name, std::uint64_t offset,
                   std::span<std::byte> into) override {
    if (name.starts_with("packs/")) ++pack_reads;
    return inner_.read(name, offset, into);
  }
  std::optional<std::uint64_t> size_of(const std::string& name) override {
    return inner_.size_of(name);
  }
  std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                std::size_t most) override {
    return inner_.list(prefix, after, most);
  }
  void remove(const std::string& name) override { inner_.remove(name); }
  store::StoreFacts facts() override { return inner_.facts(); }

  int pack_reads = 0;

 private:
  store::InMemoryStore inner_;
};

/// A region and what is in it.
struct Filled {
  Region region;
  std::vector<std::byte> bytes;
};
template <class Number>
Filled filled(const std::string& name, const std::string& dtype, const std::string& shape,
              const std::vector<Number>& numbers) {
  auto bytes = bytes_of(numbers);
  return {{name, dtype, shape, bytes.size(), 0}, std::move(bytes)};
}

/// Snapshots of one job in a store in memory.
class SavedTensors {
 public:
  /// Saves these regions as the next snapshot; `tensors` is its table.
  store::Ref save(std::vector<Filled> all, std::vector<store::TensorEntry> tensors = {},
                  std::vector<std::byte> values = {}) {
    store::test::State state;
    state.values = std::move(values);
    std::vector<Region> regions;
    for (auto& one : all) {
      regions.push_back(one.region);
      state.memory.push_back(std::move(one.bytes));
    }
    state.layout = Layout(std::move(regions));
    state.step = ++step_;
    store::PackCatalog catalog;
    store::SnapshotWriter writer(store, catalog,
                                 {.job = "gpt",
                                  .layout = state.layout,
                                  .chunk_bytes = store::test::kSampleChunk,
                                  .writer = "w" + std::to_string(step_)});
    store::test::give(writer, state);
    auto facts = store::test::facts_of(state);
    facts.tensors = std::move(tensors);
    return writer.commit(facts);
  }
  /// What reads a snapshot; valid as long as this.
  [[nodiscard]] const store::SnapshotReader& open(const store::Ref& ref) {
    catalog_.refresh(store);
    readers_.push_back(std::make_unique<store::SnapshotReader>(store, catalog_, ref));
    store.pack_reads = 0;
    return *readers_.back();
  }

  CountingStore store;

 private:
  std::uint64_t step_ = 0;
  store::PackCatalog catalog_;
  std::vector<std::unique_ptr<store::SnapshotReader>> readers_;
};

}  // namespace cardswap::tensors::test
