// Keeps a job's state outside of its process: receives it while the job trains, and writes it to a
// store; or sends the state in a store to the process that goes on from it.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/store/open_store.h"
#include "runtime/snapshot/program_entry.h"
#include "runtime/snapshot/receive_snapshot.h"
#include "runtime/snapshot/send_snapshot.h"

namespace {

using cardswap::Error;

struct Options {
  std::string store;
  std::string manifest;
  std::vector<std::string> program;
  cardswap::SnapshotLabels labels;
  cardswap::LogEnd log;
};

int keep(const Options& options) {
  if (!options.manifest.empty()) {
    const auto store = cardswap::store::open_store(options.store);
    cardswap::send_snapshot(*store, cardswap::store::object_id_from(options.manifest),
                            options.labels, options.log);
    return 0;
  }
  auto labels = options.labels;
  labels.program = cardswap::program_entry(options.program);
  return cardswap::receive_snapshot(options.store, std::move(labels));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Keeps a job's state for a store (started by cardswapd)");
  app.set_version_flag("--version", CARDSWAP_VERSION);
  app.add_option("--store", options.store, "file:/FOLDER, made where it is not there")->required();
  // An agent of an earlier release calls it --give-back.
  app.add_option("--send,--give-back", options.manifest,
                 "A snapshot's manifest: send its state to the process that goes on from it");
  app.add_option("--log-to", options.log.step,
                 "With --send: the step to which the gradient log leads on from it");
  app.add_option("--log-branch", options.log.branch, "The branch of that log");
  app.add_option("--tag", options.labels.tag, "Name of the snapshot");
  app.add_option("--branch", options.labels.branch, "Of the snapshot");
  app.add_option("--restored-from", options.labels.restored_from,
                 "The manifest from which the job went on");
  app.add_option("--run", options.labels.run, "Which run of the job's name it is");
  app.add_option("--epoch", options.labels.epoch, "Under which the job steps");
  app.add_option("--host", options.labels.origin.host, "Where the job runs");
  app.add_option("--device", options.labels.origin.device, "On which it runs");
  app.add_option("program", options.program, "The job's program and arguments, after --");
  CLI11_PARSE(app, argc, argv);
  try {
    return keep(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "cardswap-keeper: %s\n", error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cardswap-keeper: %s\n", error.what());
  }
  return 1;
}
