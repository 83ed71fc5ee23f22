#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/text/log_lines.h"

namespace cardswap::cli {
namespace {

/// On a terminal control characters are made harmless, because it would obey them; into a file or a
/// pipe they go unchanged.
Exit show_logs(const Context& context, const std::string& name, std::int64_t tail, bool follow,
               bool raw) {
  const bool as_it_is = raw || ::isatty(STDOUT_FILENO) == 0;
  auto client = context.client();
  const ReadLog read = [&](std::int64_t at, std::int64_t bytes_max) {
    const auto answer = client.call("GET", fmt::format("/v1/jobs/{}/logs?offset={}&limit={}",
                                                       http::percent_encoded(name), at, bytes_max));
    const auto number = [&](const char* key) { return answer.at(key).to_number<std::int64_t>(); };
    return LogPiece{std::string(answer.at("data").as_string()),
                    number("offset"),
                    number("next"),
                    number("first"),
                    number("size"),
                    answer.at("ended").as_bool()};
  };
  auto offset = tail > 0 ? offset_of_last(tail, read) : 0;
  while (true) {
    const auto piece = read(offset, kLogPieceBytes);
    if (piece.offset > offset) {
      std::cerr << fmt::format("cardswap: {} of the log of {} are gone (cardswapd --job-log-max)\n",
                               format_size(static_cast<std::uint64_t>(piece.offset - offset)),
                               name);
    }
    std::cout << (as_it_is ? piece.data : printable_lines(piece.data)) << std::flush;
    const bool all = piece.next >= piece.size;
    if (all && (!follow || piece.ended)) return Exit::done;
    if (all) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    offset = piece.next;
  }
}

}  // namespace

void add_logs_command(CLI::App& app, Context& context, Run& run) {
  struct Options {
    std::string name;
    std::int64_t tail = 0;
    bool follow = false;
    bool raw = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("logs", "Print what a job has printed");
  command->add_option("name", options->name, "Job")->required();
  command->add_flag("--follow,-f", options->follow, "Go on until the job ends");
  command->add_option("--tail", options->tail, "Only the last lines");
  command->add_flag("--raw", options->raw,
                    "To a terminal too: control characters as they are, colours for one");
  command->callback([&context, &run, options] {
    run = [&context, options] {
      return show_logs(context, options->name, options->tail, options->follow, options->raw);
    };
  });
}

}  // namespace cardswap::cli
