#include "agent/cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <vector>

namespace cardswap::cli {
namespace {

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!verb->get_name().empty() && !verb->get_group().empty()) names.push_back(verb->get_name());
  }
  return names;
}

/// Adds the options of the verb, and the verbs below it with their options.
void add_words(const CLI::App& verb, std::set<std::string>& words) {
  for (const auto* option : verb.get_options()) {
    if (option->get_group().empty()) continue;
    for (const auto& name : option->get_lnames()) words.insert("--" + name);
  }
  for (const auto* below : verb.get_subcommands([](const CLI::App*) { return true; })) {
    words.insert(below->get_name());
    add_words(*below, words);
  }
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string cases;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    std::set<std::string> words;
    add_words(*verb, words);
    cases += fmt::format("    {}) words=\"{}\" ;;\n", verb->get_name(), fmt::join(words, " "));
  }
  return fmt::format(R"(_cardswap() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{}" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _cardswap cardswap
)",
                     fmt::join(verbs_of(app), " "), cases);
}

}  // namespace cardswap::cli
