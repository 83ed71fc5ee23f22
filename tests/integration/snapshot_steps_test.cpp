/// Method: as in snapshot_test.cpp; the trainer also logs the digest of its state at each step's
/// end. The job goes back to steps of which there is no snapshot, and what stands there has the
/// digest that the undisturbed run had.

#include <algorithm>
#include <random>

#include "tests/integration/protected_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Step = std::int64_t;

class Steps : public ProtectedJob {
 protected:
  /// Trains to the end, and stands at each of these steps while a snapshot is taken of it.
  void train_with_snapshots(const std::vector<Step>& at, const Words& more = {}) {
    program_ = {trainer("plain_memory"), "--bytes", kBytes, "--steps", "300"};
    program_.insert(program_.end(), more.begin(), more.end());
    run_until(at.front());
    for (const auto step : at) {
      if (!taken_.empty() && step != taken_.back()) resume({"--hold-at", std::to_string(step)});
      ASSERT_TRUE(stands_at(step)) << host_.log();
      taken_.push_back(step_of(snapshot()));
    }
    ASSERT_EQ(taken_, at);
    resume();
    ASSERT_TRUE(within(60s, [&] { return text(record_of(host_), "state") == "ended"; }))
        << host_.log();
  }
  /// Starts the program, which is to stand at that step.
  void run_until(Step step) const {
    Words run{
        "run", "--name", "job", "--hold-at", std::to_string(step), "--env", "OMP_NUM_THREADS=1",
        "--"};
    run.insert(run.end(), program_.begin(), program_.end());
    run.insert(run.end(), {"--digest-log", path("digests"), "--loss-log", log_.string()});
    (void)host_.ask(run);
  }
  void resume(const Words& more = {}) const {
    Words all{"resume", "job"};
    all.insert(all.end(), more.begin(), more.end());
    const auto done = host_.command(all);
    EXPECT_EQ(done.exit_code, 0) << done.err;
  }
  static Step step_of(const boost::json::object& taken) {
    return static_cast<Step>(number(taken, "migrated_at_step"));
  }

  /// The digest at each step's end, by a run that nobody disturbs.
  [[nodiscard]] std::map<Step, std::string> undisturbed_digests() const {
    auto program = program_;
    program.insert(program.end(), {"--digest-log", path("undisturbed")});
    (void)undisturbed(program);
    return digests_in("undisturbed");
  }
  [[nodiscard]] std::map<Step, std::string> digests_in(const std::string& file) const {
    std::map<Step, std::string> all;
    std::istringstream lines(read_file(path(file)));
    Step step = 0;
    for (std::string digest; lines >> step >> digest;) all[step] = digest;
    return all;
  }
  /// What the trainer has logged of its digests last.
  [[nodiscard]] std::pair<Step, std::string> last_digest() const {
    std::istringstream lines(read_file(path("digests")));
    std::pair<Step, std::string> last;
    Step step = 0;
    for (std::string digest; lines >> step >> digest;) last = {step, digest};
    return last;
  }
  /// Goes back to the step in a job of its own, looks at what stands there, and ends it.
  void expect_digest_at(Step step, const std::string& digest, const Words& more = {}) const {
    Words all{"restore", fmt_name(step), "--store", store(), "--as", "probe", "--hold"};
    all.insert(all.end(), more.begin(), more.end());
    const auto back = host_.ask(all);
    EXPECT_EQ(number(back, "to_step"), static_cast<double>(step));
    EXPECT_EQ(number(back, "base_step") + number(back, "steps_again"), static_cast<double>(step));
    EXPECT_LT(number(back, "base_step"), static_cast<double>(step));
    EXPECT_EQ(number(back.at("held").as_object(), "step"), static_cast<double>(step));
    EXPECT_EQ(last_digest(), (std::pair<Step, std::string>{step, digest}));
    EXPECT_EQ(host_.command({"stop", "probe", "--grace", "0s"}).exit_code, 0);
    EXPECT_EQ(host_.command({"forget", "probe"}).exit_code, 0);
  }
  [[nodiscard]] Step now() const { return static_cast<Step>(number(record_of(host_), "step")); }
  static std::string fmt_name(Step step) { return "job@" + std::to_string(step); }
  [[nodiscard]] boost::json::object held() const {
    const auto job = record_of(host_);
    const auto* held = job.if_contains("held");
    return held != nullptr && held->is_object() ? held->get_object() : boost::json::object();
  }
  [[nodiscard]] bool stands_at(Step step) const {
    return within(30s, [&] { return number(held(), "step") == static_cast<double>(step); });
  }

  std::vector<Step> taken_;  // the steps of the snapshots
};

/// The figure random_step_restores_equal: 10 of 10.
TEST_F(Steps, BetweenSnapshotsAreReachedBitForBit) {
  train_with_snapshots({20, 90, 160});
  if (HasFatalFailure()) return;
  const auto digests = undisturbed_digests();
  ASSERT_THAT(digests, SizeIs(300));
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_int_distribution<Step> any(taken_.front() + 1, 299);
  const auto before = losses(log_);
  for (int times = 0; times < 10;) {
    const auto step = any(random);
    if (std::ranges::find(taken_, step) != taken_.end()) continue;
    ++times;
    expect_digest_at(step, digests.at(step));
  }
  EXPECT_EQ(losses(log_), before) << "steps that are taken again have no effects";
  expect_nothing_left();
}

TEST_F(Steps, OfASnapshotAreStoodAtWithoutAStep) {
  train_with_snapshots({20});
  if (HasFatalFailure()) return;
  const auto before = last_digest();
  const auto taken = history().at(0).as_object();
  const auto back = host_.ask({"restore", "job@latest", "--store", store(), "--hold"});
  EXPECT_EQ(number(back, "steps_again"), 0);
  EXPECT_EQ(text(held(), "root"), text(taken, "root")) << "what a snapshot has";
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              HasSubstr("held at step " + std::to_string(taken_.front())));
  resume();
  expect_the_undisturbed_end();
  EXPECT_EQ(last_digest(), before);
}

TEST_F(Steps, AreGoneBackToWithoutASnapshotAsAnotherBranch) {
  start_program({trainer("plain_memory"), "--bytes", kBytes, "--steps", "600"},
                {"--step-ms", "10", "--digest-log", path("digests")});
  taken_.push_back(step_of(snapshot()));
  const auto step = taken_.back() + 12;
  ASSERT_TRUE(within(30s, [&] { return now() >= step; })) << host_.log();
  const auto name = std::to_string(step);
  const auto back = host_.command({"rollback", "job", "--to-step", name, "--store", store()});
  ASSERT_EQ(back.exit_code, 0) << back.err << host_.log();
  EXPECT_THAT(back.err, AllOf(HasSubstr("12 steps are taken again"),
                              HasSubstr("of step " + std::to_string(taken_.back()))));
  EXPECT_EQ(text(record_of(host_), "branch"), "from-" + name);
  ASSERT_TRUE(within(30s, [&] { return now() > step + 5; }));
  const auto there = step_of(snapshot());
  expect_the_undisturbed_end();

  const auto digests = undisturbed_digests();
  EXPECT_EQ(digests_in("digests"), digests) << "of both runs";
  expect_digest_at(there + 3, digests.at(there + 3), {"--of-branch", "from-" + name});
  expect_digest_at(there + 4, digests.at(there + 4), {"--of-branch", "main"});
  const auto none = host_.command(
      {"restore", fmt_name(there + 3), "--store", store(), "--as", "probe", "--of-branch", "no"});
  EXPECT_NE(none.exit_code, 0);
  EXPECT_THAT(none.err, HasSubstr("no snapshot of job job on branch no"));
  const auto latest = host_.ask(
      {"restore", "job@latest", "--store", store(), "--as", "probe", "--of-branch", "main"});
  EXPECT_EQ(number(latest, "base_step"), static_cast<double>(taken_.back()));
}

TEST_F(Steps, ThatTheJobHasNotReachedAreNotGoneBackTo) {
  start({}, kMany);
  (void)snapshot();
  const auto before = number(record_of(host_), "pid");
  const auto back = host_.command({"rollback", "job", "--to-step", "2900", "--store", store()});
  EXPECT_NE(back.exit_code, 0);
  EXPECT_THAT(back.err, HasSubstr("it cannot go back to step 2900"));
  EXPECT_EQ(number(record_of(host_), "pid"), before);
  EXPECT_TRUE(trains_on());
}

TEST_F(Steps, AreStoodAtAcrossARestartOfTheAgent) {
  program_ = {trainer("plain_memory"), "--bytes", kBytes, "--steps", "200"};
  run_until(30);
  ASSERT_TRUE(stands_at(30)) << host_.log();
  const auto root = text(held(), "root");
  const auto logged = read_file(log_.string());
  host_.kill_agent(SIGKILL);
  host_.start_agent();
  ASSERT_TRUE(stands_at(30)) << host_.log();
  EXPECT_EQ(text(held(), "root"), root);
  EXPECT_EQ(read_file(log_.string()), logged);

  const auto moved = host_.command({"migrate", "job", "--to", host_.at("cpu:1")});
  EXPECT_NE(moved.exit_code, 0);
  EXPECT_THAT(moved.err, HasSubstr("is to stand at step 30"));
  const auto taken = snapshot();
  EXPECT_EQ(step_of(taken), 30);
  EXPECT_EQ(text(taken, "root"), root);
  EXPECT_EQ(read_file(log_.string()), logged) << "it stands on";

  EXPECT_NE(host_.command({"resume", "job", "--hold-at", "30"}).exit_code, 0);
  resume({"--hold-at", "50"});
  ASSERT_TRUE(stands_at(50)) << host_.log();
  host_.kill_agent(SIGKILL);
  host_.start_agent();
  ASSERT_TRUE(stands_at(50)) << host_.log();
  resume();
  expect_the_undisturbed_end();
}

/// Of snapshots that were taken while it trained.
TEST_F(Steps, AreIdenticalWhenTheyAreTakenAgain) {
  start();
  for (int times = 0; times < 3; ++times) taken_.push_back(step_of(snapshot()));
  kill_trainer();
  const auto before = losses(log_);
  const auto again =
      host_.ask({"recompute", "job", "--from", std::to_string(taken_.front()), "--store", store()});
  EXPECT_TRUE(again.at("identical").as_bool());
  EXPECT_EQ(number(again, "identical_snapshots"), 2);
  EXPECT_EQ(number(again, "to_step"), static_cast<double>(taken_.back()));
  EXPECT_EQ(losses(log_), before) << "without effects";
  EXPECT_THAT(host_.job("job-recompute"), IsEmpty());
  EXPECT_THAT(history(), SizeIs(3)) << "nothing was kept";
  expect_nothing_left();
}

/// A model, its optimizer and its generators, in a framework's memory.
TEST_F(Steps, OfAGptAreIdenticalWhenTheyAreTakenAgain) {
  if (!std::filesystem::exists(trainer("gpt"))) {
    return skip_without("torch", "built without LibTorch");
  }
  start_program({trainer("gpt"), "--text", LICENSE_FILE, "--layers", "1", "--width", "32",
                 "--context", "16", "--batch", "4", "--steps", "100000"},  // it is killed before
                {"--times", path("times")});
  (void)snapshot();
  (void)snapshot();
  kill_trainer();
  const auto again = host_.command({"recompute", "job", "--store", store()});
  EXPECT_EQ(again.exit_code, 0) << again.out << again.err << host_.log();
  EXPECT_THAT(again.out, HasSubstr("identical: from step"));
  EXPECT_GT(number(history().at(0).at("metrics").as_object(), "loss"), 0) << "as it notes it";
}

/// A step that reads its process's number. Of a step before it there are two snapshots.
TEST_F(Steps, ThatAreNotDeterministicAreFound) {
  train_with_snapshots({20, 60, 60, 110, 150}, {"--stray-from", "100"});
  if (HasFatalFailure()) return;
  const auto again = host_.command({"-o", "json", "recompute", "job", "--from",
                                    std::to_string(taken_.front()), "--store", store()});
  EXPECT_EQ(again.exit_code, 1) << again.err;
  const auto answer = boost::json::parse(again.out).as_object();
  EXPECT_FALSE(answer.at("identical").as_bool());
  EXPECT_EQ(number(answer, "identical_snapshots"), 2);
  const auto& first = answer.at("first_difference").as_object();
  EXPECT_EQ(number(first, "step"), static_cast<double>(taken_.at(3)));
  EXPECT_EQ(first.at("regions").as_array().at(0), "words");
  EXPECT_FALSE(first.at("values_differ").as_bool());
  const auto kept = text(first, "kept_as");
  const auto diff = host_.command({"diff", fmt_name(taken_.at(3)), kept, "--store", store()});
  EXPECT_EQ(diff.exit_code, 0) << diff.err;
  EXPECT_THAT(diff.out, HasSubstr("words"));
  EXPECT_THAT(host_.job("job-recompute"), IsEmpty());
}

TEST_F(Steps, TellWhatTheProgramHasNoted) {
  train_with_snapshots({20, 40});
  if (HasFatalFailure()) return;
  const auto newest = history().at(0).as_object();
  const auto loss = number(newest.at("metrics").as_object(), "loss");
  const auto line = told(losses(log_)).at("step " + std::to_string(taken_.back() - 1));
  EXPECT_EQ(loss, std::strtod(line.substr(line.rfind(' ')).c_str(), nullptr));
  const auto name = fmt_name(taken_.back());
  EXPECT_THAT(host_.command({"history", "job", "--store", store()}).out, HasSubstr("loss "));
  EXPECT_THAT(host_.command({"history", "job", "--store", store(), "--graph"}).out,
              HasSubstr("loss "));
  EXPECT_THAT(host_.command({"show", name, "--store", store()}).out, HasSubstr("notes     loss "));
  EXPECT_THAT(host_.command({"diff", fmt_name(taken_.front()), name, "--store", store()}).out,
              HasSubstr("loss "));
}

TEST_F(Steps, TheFirstBadOneIsFoundByACommand) {
  train_with_snapshots({20, 40, 60, 80, 100, 120});
  if (HasFatalFailure()) return;
  const auto planted = taken_.at(4);
  const auto is_good = "test \"$CARDSWAP_STEP\" -lt " + std::to_string(planted) +
                       " && test \"$CARDSWAP_JOB\" = job && test -s \"$0\"";
  const auto good = std::to_string(taken_.front());
  const auto bad = std::to_string(taken_.back());
  const auto found = host_.ask({"bisect", "job", "--good", good, "--bad", bad, "--store", store(),
                                "--", "sh", "-c", is_good, "{}"});
  EXPECT_EQ(number(found.at("first_bad").as_object(), "step"), static_cast<double>(planted));
  EXPECT_EQ(number(found.at("last_good").as_object(), "step"), static_cast<double>(taken_.at(3)));
  EXPECT_LE(number(found, "probed"), 3);
  EXPECT_THAT(found.at("skipped_between").as_array(), IsEmpty());

  const auto skipping = host_.command({"bisect", "job", "--good", good, "--bad", bad, "--store",
                                       store(), "--", "sh", "-c", "exit 125"});
  EXPECT_EQ(skipping.exit_code, 0) << skipping.err;
  EXPECT_THAT(skipping.out, HasSubstr("or one that was skipped between them"));
  EXPECT_EQ(host_
                .command({"bisect", "job", "--good", good, "--bad", bad, "--store", store(), "--",
                          path("no-such-program")})
                .exit_code,
            3);
  EXPECT_NE(host_
                .command({"bisect", "job", "--good", bad, "--bad", good, "--store", store(), "--",
                          "true"})
                .exit_code,
            0);
}

}  // namespace
}  // namespace cardswap::test
