#include "tests/support/scrape.h"

#include <sstream>
#include <stdexcept>

namespace cardswap::test {

double Scrape::operator[](const std::string& sample) const {
  const auto found = samples.find(sample);
  return found == samples.end() ? 0 : found->second;
}

double Scrape::first(const std::string& start) const {
  const auto found = samples.lower_bound(start);
  return found == samples.end() || !found->first.starts_with(start) ? 0 : found->second;
}

Scrape parse_scrape(const std::string& text) {
  Scrape scrape;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string name;
      std::string type;
      words >> name >> type;
      if (!scrape.types.emplace(name, type).second) {
        throw std::runtime_error("a family twice: " + name);
      }
      continue;
    }
    const auto space = line.rfind(' ');
    if (space == std::string::npos) throw std::runtime_error("no sample: " + line);
    if (!scrape.samples.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second) {
      throw std::runtime_error("a sample twice: " + line);
    }
  }
  return scrape;
}

}  // namespace cardswap::test
