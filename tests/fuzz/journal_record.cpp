/// Records of a damaged journal, taken back by a restarted agent.

#include <boost/json.hpp>

#include "agent/handover/migration.h"
#include "agent/jobs/job_journal.h"
#include "agent/jobs/jobs.h"
#include "tests/fuzz/seeds.h"

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  Job job;
  job.name = "gpt";
  job.argv = {"python", "train.py"};
  job.env = {{"A", "b"}};
  Migration migration;
  migration.id = "m-1";
  migration.to = "gpu-b/cpu:0";
  migration.history.emplace_back("planned", 1);
  migration.error = Error(Code::io, "disk");
  return {bytes_of(boost::json::serialize(to_journal(job))),
          bytes_of(boost::json::serialize(to_json(migration)))};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cardswap;
  boost::system::error_code error;
  const auto value = boost::json::parse(fuzz::text(data, size), error);
  if (error || !value.is_object()) return 0;
  const auto take = [&](auto from_journal) {
    try {
      (void)from_journal(value.get_object());
    } catch (const Error&) {
    } catch (const boost::system::system_error&) {  // a number that does not fit
    }
  };
  take([](const auto& record) { return job_from_journal(record); });
  take([](const auto& record) { return migration_from_journal(record); });
  return 0;
}
