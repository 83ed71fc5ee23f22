#include "agent/placement/placement.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>

namespace cardswap {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kMiB = 1U << 20;

PlacementJob job(const std::string& name, std::uint64_t mib, const std::string& kind = "cpu") {
  PlacementJob made;
  made.name = name;
  made.host = "leaving";
  made.device = kind + ":0";
  made.kind = kind;
  made.state_bytes = mib * kMiB;
  return made;
}

PlacementDevice device(const std::string& host, const std::string& name, std::uint64_t free_mib,
                       std::size_t jobs = 0) {
  PlacementDevice made;
  made.host = host;
  made.name = name;
  made.kind = name.substr(0, name.find(':'));
  made.total_bytes = made.free_bytes = free_mib * kMiB;
  made.jobs = jobs;
  return made;
}

/// job -> host/device, and the text of why others have none.
std::map<std::string, std::string> placed(const std::vector<PlacementJob>& jobs,
                                          const std::vector<PlacementDevice>& devices,
                                          const std::vector<std::string>& leaving = {"leaving"}) {
  const auto placement = place(jobs, devices, leaving);
  std::map<std::string, std::string> result;
  for (const auto& a : placement.assigned) {
    result.emplace(jobs[a.job].name, devices[a.device].address());
  }
  for (const auto& u : placement.unplaced) {
    result.emplace(jobs[u.job].name, "no: " + to_string(u.reasons));
  }
  return result;
}

TEST(Placement, GivesTheLargestJobTheRoomThatOnlyItNeeds) {
  EXPECT_THAT(placed({job("small", 10), job("large", 90)},
                     {device("a", "cpu:0", 100), device("b", "cpu:0", 20)}),
              UnorderedElementsAre(Pair("large", "a/cpu:0"), Pair("small", "b/cpu:0")));
}

TEST(Placement, CountsWhatItPlacedBefore) {
  const auto result = placed({job("one", 60), job("two", 60)}, {device("a", "cpu:0", 100)});
  EXPECT_EQ(result.at("one"), "a/cpu:0");
  EXPECT_EQ(result.at("two"), "no: 40.0 MiB left, 60.0 MiB needed (a/cpu:0)");
}

TEST(Placement, AFailedJobTakesNobodysPlace) {
  EXPECT_THAT(placed({job("huge", 500), job("small", 100)}, {device("a", "cpu:0", 100)}),
              UnorderedElementsAre(Pair("huge", HasSubstr("no: 100.0 MiB left")),
                                   Pair("small", "a/cpu:0")));
}

TEST(Placement, SpreadsOverDevicesAndHosts) {
  const std::vector<PlacementDevice> devices{device("a", "cpu:0", 100), device("a", "cpu:1", 100),
                                             device("b", "cpu:0", 100), device("b", "cpu:1", 100)};
  EXPECT_THAT(placed({job("j1", 10), job("j2", 10), job("j3", 10), job("j4", 10)}, devices),
              UnorderedElementsAre(Pair("j1", "a/cpu:0"), Pair("j2", "b/cpu:0"),
                                   Pair("j3", "a/cpu:1"), Pair("j4", "b/cpu:1")));
}

TEST(Placement, PrefersTheLeastLoadedDeviceToTheOneWithMoreMemory) {
  EXPECT_THAT(placed({job("j", 10)}, {device("a", "cpu:0", 1000, 1), device("b", "cpu:0", 20, 0)}),
              ElementsAre(Pair("j", "b/cpu:0")));
}

TEST(Placement, MatchesTheKind) {
  const auto result =
      placed({job("gpu", 10, "cuda"), job("proc", 10)}, {device("a", "cpu:0", 100)});
  EXPECT_EQ(result.at("proc"), "a/cpu:0");
  EXPECT_EQ(result.at("gpu"), "no: not of kind cuda (a/cpu:0)");
}

TEST(Placement, LeavesOutClosedDevicesAndSaysWhyOnceForAll) {
  auto cordoned = device("a", "cpu:0", 100);
  cordoned.cordoned = true;
  auto sick = device("b", "cpu:0", 100);
  sick.unhealthy = true;
  auto refused = job("j", 10);
  refused.avoid = {"c/cpu:0"};
  EXPECT_EQ(
      placed({refused}, {cordoned, sick, device("c", "cpu:0", 100), device("leaving", "cpu:1", 100),
                         device("d", "cpu:0", 5), device("d", "cpu:1", 6)})
          .at("j"),
      "no: cordoned (a/cpu:0); unhealthy (b/cpu:0); refused it or failed (c/cpu:0); "
      "at most 6.0 MiB left, 10.0 MiB needed (d/cpu:0, d/cpu:1)");
}

TEST(Placement, MayUseAnotherDeviceOfTheHostWhenOnlyADeviceIsLeft) {
  EXPECT_EQ(
      placed({job("j", 10)}, {device("leaving", "cpu:0", 100), device("leaving", "cpu:1", 50)}, {})
          .at("j"),
      "leaving/cpu:1");
}

TEST(Placement, ShowsWhyAJobStays) {
  auto fixed = job("j", 10);
  fixed.movable = false;
  fixed.immovable_reason = "no Cardswap runtime attached";
  EXPECT_EQ(placed({fixed}, {device("a", "cpu:0", 100)}).at("j"),
            "no: no Cardswap runtime attached");
  EXPECT_EQ(placed({job("k", 1)}, {}).at("k"), "no: there is no other device");
}

TEST(Placement, DoesNotDependOnTheOrderOfItsInput) {
  std::vector<PlacementJob> jobs;
  for (int i = 0; i < 20; ++i) {
    jobs.push_back(job(fmt::format("j{}", i), static_cast<std::uint64_t>(5 + i % 3)));
  }
  std::vector<PlacementDevice> devices;
  for (int i = 0; i < 12; ++i)
    devices.push_back(device(fmt::format("h{}", i / 3), fmt::format("cpu:{}", i % 3), 30));
  const auto once = placed(jobs, devices);
  std::reverse(jobs.begin(), jobs.end());
  std::rotate(devices.begin(), devices.begin() + 5, devices.end());
  EXPECT_EQ(placed(jobs, devices), once);
}

/// As much as a plan cannot do without: a look at each device for each job.
std::chrono::duration<double> plain_scan(std::size_t jobs, std::size_t devices) {
  struct Looked {
    std::size_t device, host, free_bytes, jobs;
  };
  std::vector<Looked> all(devices);
  for (std::size_t i = 0; i < devices; ++i) all[i] = {i, i / 8, i * 7919 % 80'000, i % 3};
  const auto start = std::chrono::steady_clock::now();
  std::size_t found = 0;
  for (std::size_t job = 0; job < jobs; ++job) {
    const Looked* best = nullptr;
    for (const auto& one : all) {
      if (one.free_bytes >= job && (best == nullptr || one.jobs < best->jobs)) best = &one;
    }
    if (best != nullptr) found += ++all[best->device].jobs;
  }
  EXPECT_GT(found, 0U);
  return std::chrono::steady_clock::now() - start;
}

TEST(Placement, PlansTenThousandDevicesInTheTimeOfSomeLooksAtEach) {
  std::vector<PlacementDevice> devices;
  for (int i = 0; i < 10'000; ++i) {
    auto made = device(fmt::format("h{}", i / 8), fmt::format("cuda:{}", i % 8), 80'000,
                       static_cast<std::size_t>(i % 3));
    made.cordoned = i % 50 == 0;
    devices.push_back(made);
  }
  std::vector<PlacementJob> jobs;
  for (int i = 0; i < 5'000; ++i) {
    // Every tenth fits nowhere: the longest way through.
    jobs.push_back(job(fmt::format("j{}", i),
                       i % 10 == 0 ? 100'000U : 10'000U + static_cast<std::uint64_t>(i), "cuda"));
  }

  const auto start = std::chrono::steady_clock::now();
  const auto placement = place(jobs, devices, {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  EXPECT_THAT(placement.assigned, SizeIs(4'500));
  EXPECT_THAT(placement.unplaced, SizeIs(500));
  EXPECT_THAT(to_string(placement.unplaced[0].reasons),
              AllOf(HasSubstr("cordoned (h0/cuda:0, "), HasSubstr("and 197 more"),
                    HasSubstr("and 9797 more")));
  // Least loaded first: there were more idle devices than jobs by a third, so few got a second.
  std::map<std::size_t, std::size_t> on;
  for (const auto& a : placement.assigned) on[a.device] += 1 + devices[a.device].jobs;
  EXPECT_TRUE(std::all_of(on.begin(), on.end(), [](const auto& item) { return item.second <= 2; }));
  const auto looks = took / plain_scan(jobs.size(), devices.size());
  EXPECT_LT(looks, 20);
  std::cout << "plan_10k_devices_ms " << 1e3 * took.count() << ", of " << looks << " looks\n";
}

}  // namespace
}  // namespace cardswap
