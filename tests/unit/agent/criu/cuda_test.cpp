#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "agent/criu/cuda_intents.h"
#include "agent/criu/gpu_match.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(GpuMatch, SaysWhyCudaStateCannotGoThere) {
  const std::vector<NeededGpu> needed{{"GPU-1", "H200"}};
  EXPECT_THAT(why_not_on({"b", "cpu:0", "", "", "no driver", false}, {}), IsEmpty());
  EXPECT_THAT(why_not_on({"b", "cuda:0", "GPU-2", "H200", "", true}, needed), IsEmpty());
  EXPECT_THAT(why_not_on({"b", "cuda:0", "GPU-1", "H200", "", false}, needed), IsEmpty());
  EXPECT_THAT(why_not_on({"b", "cuda:0", "GPU-2", "H200", "", false}, needed),
              ElementsAre(HasSubstr("driver 580 or later")));
  EXPECT_THAT(why_not_on({"b", "cuda:0", "GPU-2", "A100", "", true}, needed),
              ElementsAre(HasSubstr("is a A100, the job's GPU a H200")));
  EXPECT_THAT(why_not_on({"b", "cpu:0", "", "", "no driver", false}, needed),
              ElementsAre("b restores no CUDA state: no driver", HasSubstr("is no GPU")));
  EXPECT_THAT(why_not_on({"b", "cuda:0", "GPU-1", "H200", "", true}, {needed[0], needed[0]}),
              ElementsAre(HasSubstr("2 GPUs")));
  EXPECT_THAT(pairs_of(needed, "GPU-1"), IsEmpty());
  EXPECT_THAT(pairs_of(needed, "GPU-2"), ElementsAre(cuda::GpuPair{"GPU-1", "GPU-2"}));
}

class JournalledIntents : public ::testing::Test {
 protected:
  JournalledIntents() { std::filesystem::create_directories(dir); }
  ~JournalledIntents() override { std::filesystem::remove_all(dir); }
  const std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("csint" + std::to_string(::getpid()));
};

TEST_F(JournalledIntents, AreThereUntilTheyAreOver) {
  CudaIntent first{CudaIntent::Side::source, {7, 70}, {8, 80, {}, {}}};
  CudaIntent second{CudaIntent::Side::target, {9, 90}, {9, 90, {}, {{"GPU-1", "GPU-2"}}}};
  second.what.goal = cuda::CheckpointIntent::Goal::running;
  {
    Journal journal(dir / "journal.db");
    CudaIntents intents(journal);
    intents.put(first);
    intents.put(second);
    first.what.goal = cuda::CheckpointIntent::Goal::running;
    intents.put(first);
  }
  Journal journal(dir / "journal.db");
  CudaIntents intents(journal);
  EXPECT_THAT(intents.of({7, 70}), ElementsAre(first)) << "one for each process, the latest";
  EXPECT_THAT(intents.of({7, 71}), IsEmpty()) << "another process of that number";
  intents.remove(first);
  EXPECT_THAT(CudaIntents(journal).all(), ElementsAre(second));
}

TEST_F(JournalledIntents, AreSetAsideWhereTheyAreDamaged) {
  const auto whole = to_json(CudaIntent{CudaIntent::Side::source, {7, 70}, {8, 80, {}, {}}});
  for (const auto* key : {"side", "root", "intent"}) {
    for (const boost::json::value& damaged : {boost::json::value(7), boost::json::value("zz")}) {
      auto record = whole;
      record[key] = damaged;
      EXPECT_THROW((void)cuda_intent_from_json(record), Error) << key;
    }
  }
  auto half_a_byte_more = whole;
  half_a_byte_more["intent"] = std::string(whole.at("intent").as_string()) + "0";
  EXPECT_THROW((void)cuda_intent_from_json(half_a_byte_more), Error);
  Journal journal(dir / "journal.db");
  journal.put(Journal::Kind::checkpoint, "x", {{"side", "none"}});
  EXPECT_THAT(CudaIntents(journal).all(), IsEmpty());
  EXPECT_EQ(journal.damaged_records(), 1U);
}

}  // namespace
}  // namespace cardswap::criu
