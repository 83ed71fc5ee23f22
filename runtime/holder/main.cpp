// Holds a job's memory while CRIU moves its process: at the target until the restored process asks
// for it, at the source in case the job stays there.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "migrator/base/error.h"
#include "runtime/holder/custody.h"
#include "runtime/holder/gpus.h"
#include "runtime/holder/receive.h"
#include "runtime/holder/try_data.h"

int main(int argc, char** argv) {
  std::string peer_socket;
  std::string custody;
  int trainer = 0;
  CLI::App app("Holds a job's memory while its process is moved (started by cardswapd)");
  app.set_version_flag("--version", CARDSWAP_VERSION);
  auto* at_target = app.add_option("--hand-over", peer_socket,
                                   "Receive a job's memory and give it to whoever has its token "
                                   "at this socket");
  auto* at_source = app.add_option("--custody", custody, "Keep a trainer's memory at this socket");
  auto* whose =
      app.add_option("--trainer", trainer, "The trainer's process")->check(CLI::PositiveNumber);
  std::string try_host;
  std::string transports;
  auto* trying = app.add_option(
      "--try-data", try_host, "Only print whether data can be taken at this address of this host");
  app.add_option("--transports", transports, "UCX transports, as cardswapd has them")
      ->needs(trying);
  trying->excludes(at_source)->excludes(at_target);
  at_target->excludes(at_source);
  at_source->needs(whose);
  whose->needs(at_source);
  app.require_option(1, 2);
  CLI11_PARSE(app, argc, argv);
  try {
    if (!try_host.empty()) return cardswap::try_data(try_host, transports);
    return custody.empty() ? cardswap::receive_and_hand_over(peer_socket, cardswap::open_gpu)
                           : cardswap::take_custody(custody, trainer);
  } catch (const cardswap::Error& error) {
    std::fprintf(stderr, "cardswap-holder: %s\n", error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cardswap-holder: %s\n", error.what());
  }
  return 1;
}
