#include "tests/bench/file_copy.h"

#include <fmt/format.h>

#include <atomic>
#include <stdexcept>

#include "tests/support/trainer_times.h"

namespace cardswap::bench {
namespace {

using test::NetnsPair;

constexpr int kStepsHere = 6;
constexpr int kStepsInAll = 8;

void expect(const test::Outcome& outcome, const std::string& what) {
  if (outcome.exit_code != 0) throw std::runtime_error(what + " failed: " + outcome.err);
}

/// As `cat file | nc` has it, without depending on which netcat there is.
std::string copy_command(const NetnsPair& net, const std::filesystem::path& from,
                         const std::filesystem::path& to) {
  return fmt::format(
      "ip netns exec {0} python3 -c 'import socket,shutil;"
      "s=socket.create_server((\"{2}\",9999));c=s.accept()[0];"
      "shutil.copyfileobj(c.makefile(\"rb\"),open(\"{4}\",\"wb\"),1<<20)' & "
      "ip netns exec {1} python3 -c 'import socket,time\n"
      "while True:\n"
      "  try: s=socket.create_connection((\"{2}\",9999)); break\n"
      "  except OSError: time.sleep(0.01)\n"
      "s.sendfile(open(\"{3}\",\"rb\"))' && wait",
      net.name(1), net.name(0), NetnsPair::address(1), from.string(), to.string());
}

}  // namespace

double file_copy_ms(const NetnsPair& net, const FileCopy& way, double step_ms) {
  static std::atomic<int> made{0};
  const auto prefix = way.folder / fmt::format("file-copy{}", ++made);
  const auto times = prefix.string() + "-times";
  const auto saved = prefix.string() + "-saved";
  const auto copied = prefix.string() + "-copied";
  const auto run_in = [&](int side, int steps, const std::vector<std::string>& more) {
    auto argv = way.program(steps);
    argv.insert(argv.begin(), {"ip", "netns", "exec", net.name(side), "env", "OMP_NUM_THREADS=1"});
    argv.insert(argv.end(), {"--times", times, "--loss-log", "/dev/null"});
    argv.insert(argv.end(), more.begin(), more.end());
    expect(test::run(argv), fmt::format("the trainer, {} steps,", steps));
  };
  run_in(0, kStepsHere, {"--checkpoint", saved});
  expect(test::run({"bash", "-c", copy_command(net, saved, copied)}), "the copy");
  run_in(1, kStepsInAll, {"--resume", copied});
  for (const auto& file : {saved, copied}) std::filesystem::remove(file);
  const auto at = test::begins(times);
  const double ms = at.at(kStepsHere) - at.at(kStepsHere - 1) - step_ms;
  fmt::print(stderr, "# checkpoint file: {:.0f} ms\n", ms);
  return ms;
}

}  // namespace cardswap::bench
