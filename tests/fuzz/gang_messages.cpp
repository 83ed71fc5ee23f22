/// What the agents of a gang send each other, and what a restarted one takes back from a damaged
/// journal.

#include <boost/json.hpp>
#include <cstdlib>
#include <vector>

#include "agent/gang/gang_record.h"
#include "agent/gang/invitation.h"
#include "agent/gang/messages.h"
#include "agent/gang/protocol/gang_side.h"
#include "agent/gang/protocol/rank_side.h"
#include "agent/gang/rank_facts.h"
#include "agent/gang/rank_record.h"
#include "agent/gang/rank_report.h"
#include "agent/gang/records.h"
#include "tests/fuzz/seeds.h"

namespace {

using namespace cardswap;
namespace json = boost::json;

const std::string kAgent = "gpu-b:7070";

gang::GangDurable a_gang() {
  gang::GangDurable side{gang::GangState::committed, 2, 1, 7, false, {}};
  side.ranks.resize(2);
  side.ranks[1].part = gang::Part::leaves;
  return side;
}

/// No order brings a rank's side into trouble, whatever it is in.
json::object order(const json::object& from) {
  const auto order = gang::order_from(from);
  if (gang::order_from(gang::to_json(order)) != order) std::abort();
  for (std::size_t i = 0; i < gang::kRankStates; ++i) {
    for (const auto part : {gang::Part::stays, gang::Part::leaves}) {
      gang::RankSide rank({static_cast<gang::RankState>(i), part, order.epoch, 1, 7});
      (void)rank.on(order);
      (void)gang::to_json(rank.status());
    }
  }
  return gang::to_json(order);
}

json::object report(const json::object& from) {
  const auto report = gang::rank_report_from(kAgent, from);
  const auto& status = report.status;
  if (gang::rank_status_from(kAgent, gang::to_json(status)) != status) std::abort();
  for (std::size_t i = 0; i < gang::kGangStates; ++i) {
    auto durable = a_gang();
    durable.state = static_cast<gang::GangState>(i);
    durable.epoch = report.status.epoch;
    gang::GangSide side(std::move(durable));
    (void)side.on(0, report.status);
    (void)side.on(1, report.status);
  }
  return gang::to_json(report);
}

json::object invitation(const json::object& from) {
  const auto invitation = gang::invitation_from(from);
  return invitation ? json::object{{"invitation", gang::to_json(*invitation)}} : json::object();
}

json::object facts(const json::object& from) {
  return gang::to_json(gang::rank_facts_from(kAgent, from));
}

json::object gang_record(const json::object& from) {
  const auto record = gang::gang_record_from_journal(from);
  (void)gang::to_json(record, {std::vector<gang::HeardOfRank>(1)});
  return gang::to_journal(record);
}

json::object rank_record(const json::object& from) {
  return gang::to_journal(gang::rank_record_from_journal(from));
}

gang::Invitation an_invitation() {
  gang::Invitation to;
  to.job = "ddp";
  to.ranks = 3;
  to.part = gang::Part::leaves;
  to.conductor = "gpu-a:7070";
  to.rendezvous = "10.0.0.1:4711";
  to.moved = {2};
  to.spec.job = "ddp/2";
  to.spec.to = "gpu-b:7070/cpu:0";
  to.newcomer.host = "gpu-b";
  to.newcomer.port = 7071;
  to.addresses = {"10.0.0.2"};
  return to;
}

}  // namespace

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  gang::GangRecord gang;
  gang.id = "m-1";
  gang.job = "ddp";
  gang.moves.resize(1);
  gang.moves[0].rank = 1;
  gang.side = a_gang();
  gang.agents = {"gpu-a:7070", "gpu-b:7070"};
  gang.history.emplace_back("planned", 1);
  gang.error = Error(Code::io, "disk");
  gang::RankRecord rank;
  rank.gang = "m-1";
  rank.job = "ddp";
  rank.instance = "j-1";
  rank.ranks = 2;
  rank.conductor = "gpu-a:7070";
  gang::RankReport report{{2, gang::RankState::ready, 7, {}}, 3, Error(Code::io, "disk"), {}};
  report.stats.emplace();
  gang::RankFacts facts;
  facts.host = "gpu-a";
  facts.device = "cuda:0";
  facts.ranks = 2;
  facts.program.emplace().name = "ddp";
  facts.program->argv = {"python", "train.py"};
  const auto text = [](const json::object& object) { return bytes_of(json::serialize(object)); };
  return {text(gang::to_json(gang::Order{gang::Order::Kind::go, 2, 1, 7})),
          text(gang::to_json(report)),
          text({{"order", "join"}, {"invitation", gang::to_json(an_invitation())}}),
          text(gang::to_json(facts)),
          text(gang::to_journal(gang)),
          text(gang::to_journal(rank)),
          text(gang::to_journal(a_gang())),
          text(gang::to_journal(
              gang::RankDurable{gang::RankState::ready, gang::Part::leaves, 2, 1, 7, {}}))};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  boost::system::error_code error;
  const auto value = json::parse(fuzz::text(data, size), error);
  if (error || !value.is_object()) return 0;
  const auto take = [&](auto read) {
    try {
      (void)read(value.get_object());
    } catch (const Error&) {
    } catch (const boost::system::system_error&) {  // a number that does not fit
    }
  };
  take(order);
  take(report);
  take(invitation);
  take(facts);
  take(rank_record);
  take(gang_record);
  take([](const json::object& from) { return gang::to_journal(gang::gang_from_journal(from)); });
  take([](const json::object& from) { return gang::to_journal(gang::rank_from_journal(from)); });
  return 0;
}
