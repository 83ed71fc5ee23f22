#include "agent/health/sources/nvml_process.h"

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>

#include "agent/base/printable.h"
#include "agent/base/text_parts.h"
#include "agent/health/sources/kernel_log.h"
#include "agent/process/command.h"
#include "migrator/base/error.h"

namespace cardswap::health {
namespace {

using namespace asio::experimental::awaitable_operators;  // NOLINT: || of two awaitables
using std::chrono::seconds;

constexpr seconds kSilenceMax{15};
constexpr seconds kAgainSoon{2};
constexpr seconds kAgainWhenAbsent{60};

/// Reads until the process ends (false) or is silent for too long (true).
asio::awaitable<bool> listen(asio::io_context& context, Command& command,
                             const NvmlCallbacks& callbacks) {
  LineSplitter splitter;
  std::array<char, 4096> piece{};
  while (true) {
    asio::steady_timer silence(context, kSilenceMax);
    boost::system::error_code error;
    const auto first =
        co_await (command.output().async_read_some(
                      asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error)) ||
                  silence.async_wait(asio::use_awaitable));
    if (first.index() == 1) co_return true;
    if (error) co_return false;
    splitter.feed({piece.data(), std::get<0>(first)},
                  [&](std::string_view line) { take_nvml_line(line, callbacks); });
  }
}

}  // namespace

void take_nvml_line(std::string_view line, const NvmlCallbacks& callbacks) {
  std::array<std::string_view, 7> part{};
  std::size_t parts = 0;
  while (parts < part.size()) {
    const auto tab = parts + 1 == part.size() ? std::string_view::npos : line.find('\t');
    part[parts++] = line.substr(0, tab);
    if (tab == std::string_view::npos) break;
    line.remove_prefix(tab + 1);
  }
  if (part[0] == "state" && parts >= 2) {
    callbacks.state(part[1] == "ok" ? "ok" : excerpt(part[1]) + ": " + excerpt(part[2]));
  } else if (part[0] == "device" && parts == 4) {
    const auto index = number_in<int>(part[1]);
    if (index) callbacks.device(*index, excerpt(part[2]), pci_address(part[3]));
  } else if (part[0] == "finding" && parts == 7) {
    Finding finding;
    finding.source = FaultSource::nvml;
    finding.device = excerpt(part[1].empty() ? part[2] : part[1]);
    finding.code = excerpt(part[3], 64);
    finding.firing = part[4] == "1";
    finding.lasting = part[5] == "1";
    finding.detail = excerpt(part[6]);
    finding.who = finding.code;
    callbacks.finding(std::move(finding));
  }
}

asio::awaitable<void> watch_nvml_process(asio::io_context& context, std::string library,
                                         NvmlCallbacks callbacks) {
  const auto own = std::filesystem::read_symlink("/proc/self/exe").string();
  Finding hangs;
  hangs.device = kHost;
  hangs.code = "nvml:hangs";
  hangs.lasting = true;
  while (true) {
    bool silent = false;
    bool absent = false;
    bool said_why = false;  // it is of no use
    auto watched = callbacks;
    watched.state = [&](std::string text) {
      absent = text.starts_with("absent");
      said_why = text != "ok";
      if (text == "ok") {
        hangs.firing = false;
        callbacks.finding(hangs);
      }
      callbacks.state(std::move(text));
    };
    try {
      Command command(context, {own, "--watch-nvml", library});
      silent = co_await listen(context, command, watched);
      co_await command.end();
      co_await asio::post(asio::use_awaitable);  // throws where it is this agent that ends
      if (!silent && !said_why) callbacks.state("failing: the process that asks it ended");
    } catch (const Error& error) {
      callbacks.state(std::string("failing: ") + error.what());
    }
    if (silent) {
      callbacks.state("failing: NVML does not answer");
      hangs.firing = true;
      callbacks.finding(hangs);
    }
    const auto until_next = absent ? kAgainWhenAbsent : kAgainSoon;
    co_await pause_for(until_next);
  }
}

}  // namespace cardswap::health
