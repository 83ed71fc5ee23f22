#include "agent/gang/records.h"

#include <utility>

#include "agent/base/json_archive.h"
#include "agent/base/strict_json.h"
#include "agent/gang/content_fields.h"

namespace cardswap::gang {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, GangRank>& m) {
  a("part", m.part);
  content_fields(a, m.content);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, GangDurable>& m) {
  a("state", m.state);
  a("epoch", m.epoch);
  a("own_epoch", m.own_epoch);
  a("step", m.step);
  a("notice_pending", m.notice_pending);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RankDurable>& m) {
  a("state", m.state);
  a("part", m.part);
  a("epoch", m.epoch);
  a("own_epoch", m.own_epoch);
  a("step", m.step);
  content_fields(a, m.content);
}

namespace {

template <class Record>
Record recorded(const json::object& from) {
  Record record;
  StrictJsonReader in(from);
  fields(in, record);
  return record;
}

/// Calls `read`; what it refuses is a damaged record.
auto or_corrupt(auto read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(Code::corrupt, error.failure());
  }
}

}  // namespace

json::object to_journal(const GangDurable& gang) {
  json::array ranks;
  for (const auto& rank : gang.ranks) {
    json::object one;
    put_fields(one, rank);
    ranks.emplace_back(std::move(one));
  }
  json::object record;
  put_fields(record, gang);
  record["ranks"] = std::move(ranks);
  return record;
}

GangDurable gang_from_journal(const json::object& record) {
  return or_corrupt([&] {
    auto gang = recorded<GangDurable>(record);
    for (const auto& rank : array_at(record, "ranks")) {
      validate::check(rank.is_object(), "ranks", "list of ranks");
      gang.ranks.push_back(recorded<GangRank>(rank.get_object()));
    }
    validate::check(!gang.ranks.empty(), "ranks", "list of ranks");
    return gang;
  });
}

json::object to_journal(const RankDurable& rank) {
  json::object record;
  put_fields(record, rank);
  return record;
}

RankDurable rank_from_journal(const json::object& record) {
  return or_corrupt([&] { return recorded<RankDurable>(record); });
}

}  // namespace cardswap::gang
