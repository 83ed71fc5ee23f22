#include "tests/bench/cost_table.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "agent/base/json_archive.h"

namespace cardswap::bench {

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, CostRow>& m) {
  a("gradients", m.gradients);
  a("r", m.r);
  a("way", m.way);
  a("limited", m.limited);
  a("repeat", m.repeat);
  a("moved", m.moved);
  a("strategy", m.strategy);
  a("step_ms", m.step_ms);
  a("stall", m.stall);
  a("lost", m.lost);
  a("predicted_stall", m.predicted_stall);
  a("predicted_lost", m.predicted_lost);
  a("raw_stall", m.raw_stall);
  a("raw_lost", m.raw_lost);
  a("said_stall", m.said_stall);
  a("said_lost", m.said_lost);
  a("usual_lost", m.usual_lost);
}

CostTable::CostTable(std::filesystem::path file) {
  if (file.empty()) return;
  bool cut = false;
  if (std::ifstream in(file); in) {
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      cut = in.eof();  // the last line has no end
      boost::system::error_code bad;
      const auto parsed = boost::json::parse(line, bad);
      if (bad || !parsed.is_object()) {
        fmt::print(stderr, "# {} line {} is no row, and is measured anew\n", file.string(), number);
        continue;
      }
      CostRow row;
      read_fields(parsed.get_object(), row);
      rows_[key_of(row)] = row;
    }
  }
  out_.open(file, std::ios::app);
  if (!out_) throw std::runtime_error(fmt::format("cannot write {}", file.string()));
  if (cut) out_ << '\n';
  if (!rows_.empty()) {
    fmt::print(stderr, "# {}: {} rows are there\n", file.string(), rows_.size());
  }
}

CostRow CostTable::row(CostRow wanted, const std::function<void(CostRow&)>& measure) {
  const auto key = key_of(wanted);
  if (const auto known = rows_.find(key); known != rows_.end()) return known->second;
  measure(wanted);
  if (out_.is_open()) {
    boost::json::object json;
    put_fields(json, wanted);
    out_ << boost::json::serialize(json) << std::endl;  // now: the next one may never come
    if (!out_) throw std::runtime_error("the table cannot be written");
  }
  return rows_[key] = std::move(wanted);
}

}  // namespace cardswap::bench
