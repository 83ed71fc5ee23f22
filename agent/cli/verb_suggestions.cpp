#include "agent/cli/verb_suggestions.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace cardswap::cli {
namespace {

struct OtherWord {
  std::string_view word;
  std::string_view verb;
};

constexpr auto kOtherWords = std::to_array<OtherWord>({
    {"abort", "cancel"},    {"alerts", "events"},    {"certs", "pki"},      {"delete", "forget"},
    {"describe", "status"}, {"device", "devices"},   {"end", "stop"},       {"evacuate", "drain"},
    {"exec", "run"},        {"gpus", "devices"},     {"history", "status"}, {"hosts", "devices"},
    {"info", "status"},     {"job", "jobs"},         {"kill", "stop"},      {"launch", "run"},
    {"list", "jobs"},       {"log", "logs"},         {"ls", "jobs"},        {"migration", "status"},
    {"monitor", "top"},     {"move", "migrate"},     {"mv", "migrate"},     {"nodes", "devices"},
    {"output", "logs"},     {"ps", "jobs"},          {"remove", "forget"},  {"rm", "forget"},
    {"show", "status"},     {"start", "run"},        {"submit", "run"},     {"tail", "logs"},
    {"terminate", "stop"},  {"undrain", "uncordon"}, {"watch", "top"},
});

/// How many letters must be added, removed, changed or swapped with the next one.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::vector<std::size_t> next(to.size() + 1, i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const auto changed = row[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, changed});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
        next[j] = std::min(next[j], before[j - 2] + 1);
      }
    }
    before = std::exchange(row, std::move(next));
  }
  return row.back();
}

}  // namespace

std::string verb_called(std::string_view word, const std::vector<std::string>& verbs) {
  if (std::ranges::find(verbs, word) != verbs.end()) return std::string(word);
  const auto* known = std::ranges::find(kOtherWords, word, &OtherWord::word);
  return known == kOtherWords.end() ? std::string() : std::string(known->verb);
}

std::string verb_near(std::string_view word, const std::vector<std::string>& verbs) {
  constexpr std::size_t kWordMax = 32;  // and nothing that long is looked at letter by letter
  std::string nearest;
  if (word.empty() || word.size() > kWordMax) return nearest;
  auto best = word.size() / 3 + 1;
  for (const auto& verb : verbs) {
    const auto apart = distance(word, verb);
    if (apart < best) {
      best = apart;
      nearest = verb;
    }
  }
  return nearest;
}

}  // namespace cardswap::cli
