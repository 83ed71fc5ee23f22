#include "agent/gang/rank_record.h"

#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/gang/records.h"

namespace cardswap::gang {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RankRecord>& m) {
  a("gang", m.gang);
  a("job", m.job);
  a("instance", m.instance);
  a("rank", m.rank);
  a("ranks", m.ranks);
  a("conductor", m.conductor);
  a("owner", m.owner);
  a("pid", m.process.pid);
  a("start_time", m.process.start_time);
  a("to", m.to);
  a("has_promised", m.has_promised);
  a("started_at_ms", m.started_at_ms);
  a("ended_at_ms", m.ended_at_ms);
}

json::object to_journal(const RankRecord& m) {
  json::object record;
  put_fields(record, m);
  record["side"] = to_journal(m.side);
  return record;
}

RankRecord rank_record_from_journal(const json::object& from) {
  RankRecord m;
  read_fields(from, m);
  m.side = rank_from_journal(object_at(from, "side"));
  if (m.gang.empty() || m.job.empty() || m.instance.empty() || m.rank >= m.ranks) {
    throw Error(Code::corrupt, "the record of a rank names no rank");
  }
  return m;
}

}  // namespace cardswap::gang
