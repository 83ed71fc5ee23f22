/// Saves a snapshot into a store as a keeper does, or prunes the store as an agent does, in a
/// process that a test may end, or whose disk may fail. What is done already is on stdout, what
/// failed on stderr, and the exit status is 1.
///
///   saver save FOLDER STEP WRITER     the state of tests/unit/migrator/store/sample.h at that step
///   saver prune FOLDER NUMBER         puts that snapshot into trash, then removes it

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "migrator/base/error.h"
#include "migrator/store/open_store.h"
#include "migrator/store/prune.h"
#include "tests/unit/migrator/store/sample.h"

namespace {

using namespace cardswap;         // NOLINT: one program, one file
using namespace cardswap::store;  // NOLINT

void save(const std::string& folder, std::uint64_t step, const std::string& writer) {
  const auto store = open_or_create_store("file:" + folder);
  const auto parent = test::latest(*store);
  const auto state = test::state_at(step);
  const auto before = test::state_at(parent ? parent->step : 0);
  PackCatalog catalog;
  SnapshotWriter out(*store, catalog,
                     {.job = "gpt",
                      .layout = state.layout,
                      .chunk_bytes = test::kSampleChunk,
                      .writer = writer,
                      .parent = parent});
  test::give(out, state, parent ? &before : nullptr);
  const auto ref = out.commit(test::facts_of(state));
  std::printf("published %llu\n", static_cast<unsigned long long>(ref.number));
  std::fflush(stdout);
  put_tag(*store, ref.job, {"newest", ref.number});
}

void prune_one(const std::string& folder, std::uint64_t number) {
  const auto store = open_store("file:" + folder);
  PruneOrder order;
  order.surplus["gpt"] = {number};
  order.now_s = 1000;
  order.grace_s = 0;
  for (int i = 0; i < 2; ++i) {
    if (const auto report = prune(*store, order); !report.damaged.empty()) {
      throw Error(Code::corrupt, report.damaged[0].object + ": " + report.damaged[0].what);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  try {
    if (words.size() == 5 && words[1] == "save") {
      save(words[2], std::stoull(words[3]), words[4]);
    } else if (words.size() == 4 && words[1] == "prune") {
      prune_one(words[2], std::stoull(words[3]));
    } else {
      return 2;
    }
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", std::string(to_string(error.code())).c_str(), error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "not an Error: %s\n", error.what());
  }
  return 1;
}
