#include "agent/gang/asked_ranks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "agent/base/address.h"
#include "agent/base/text_parts.h"
#include "agent/base/validate.h"
#include "migrator/base/error.h"
#include "migrator/wire/gang_messages.h"

namespace cardswap::gang {
namespace {

std::optional<std::uint32_t> rank_from(std::string_view text) {
  const auto rank = number_in<std::uint32_t>(text);
  return rank && *rank < channel::kRanksMax ? rank : std::nullopt;
}

/// The first and the last rank of "2" or of "0-3".
std::optional<std::pair<std::uint32_t, std::uint32_t>> span_from(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = rank_from(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : rank_from(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair(*first, *last);
}

}  // namespace

AskedRanks asked_ranks(const std::string& text) {
  const auto refuse = [&] {
    throw Error(Code::bad_request, fmt::format("'{}' names no rank of a job", text),
                "write it as JOB/RANK, such as ddp/1, or as JOB/RANK,RANK or JOB/FIRST-LAST");
  };
  const auto slash = text.find('/');
  if (slash == std::string::npos || !validate::is_job_name(text.substr(0, slash))) refuse();
  AskedRanks asked{text.substr(0, slash), {}};
  std::set<std::uint32_t> named;
  for (const auto& part : split(std::string_view(text).substr(slash + 1), ',')) {
    const auto span = span_from(part);
    if (!span) refuse();
    for (auto rank = span->first; rank <= span->second; ++rank) {
      if (!named.insert(rank).second) {
        throw Error(Code::bad_request, fmt::format("'{}' names rank {} twice", text, rank));
      }
      asked.ranks.push_back(rank);
    }
  }
  return asked;
}

std::string to_text(const AskedRanks& asked) {
  return fmt::format("{}/{}", asked.job, fmt::join(asked.ranks, ","));
}

AskedPlaces asked_places(const std::string& text, std::size_t ranks) {
  AskedPlaces asked{split(text, ','), text.find('/') != std::string::npos};
  for (const auto& place : asked.places) {
    if (asked.are_devices) {
      (void)parse_destination(place);
    } else {
      (void)parse_address("--to", place);
    }
  }
  if (asked.are_devices && asked.places.size() != ranks) {
    throw Error(
        Code::bad_request,
        fmt::format("{} and {}: each rank needs one of its own",
                    ranks == 1 ? "1 rank" : fmt::format("{} ranks", ranks),
                    asked.places.size() == 1 ? "1 destination"
                                             : fmt::format("{} destinations", asked.places.size())),
        "give --to HOST/DEVICE once for each rank, in their order, or --to HOST");
  }
  return asked;
}

void sort_by_rank(AskedRanks& asked, AskedPlaces& places) {
  std::vector<std::pair<std::uint32_t, std::string>> pairs;
  for (std::size_t i = 0; i < asked.ranks.size(); ++i) {
    pairs.emplace_back(asked.ranks[i], places.are_devices ? places.places[i] : std::string());
  }
  std::ranges::sort(pairs);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    asked.ranks[i] = pairs[i].first;
    if (places.are_devices) places.places[i] = std::move(pairs[i].second);
  }
}

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ","));
}

}  // namespace cardswap::gang
