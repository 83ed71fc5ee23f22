/// Method: a job of a real journal whose runtime's end of its connection is the test's, and a
/// question for its state by the API's router.

#include "agent/attach/state_lists.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>
#include <optional>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/wire/frame_reader.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

class AStateList : public ::testing::Test {
 protected:
  AStateList() {
    config_.data_dir = dir_.path();
    config_.devices = {{.name = "cpu:0"}};
    lists_.add_routes(router_, "gpu-a");
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    job_ = &jobs_.add_standby({.name = "gpt", .uid = "m-1"},
                              {.migration = "m-1", .epoch = 2, .device = "cpu:0"});
    job_->job().standby = false;  // it came, and is the job
    hub_.adopt(*job_, Descriptor(ends[0]));
    runtime_ = Descriptor(ends[1]);
    turn();
  }
  ~AStateList() override {
    hub_.close();
    tasks_.stop();
    turn();
  }
  void turn() {
    context_.restart();
    context_.poll();
  }
  /// Asks for the state; the number of the question, as the runtime hears it.
  std::uint64_t ask() {
    tasks_.spawn("ask", wait_for_answer());
    turn();
    std::array<std::byte, 4096> bytes{};
    const auto got = ::recv(runtime_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    EXPECT_GT(got, 0);
    channel::FrameReader frames;
    frames.feed(std::span(bytes).first(static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
    return std::get<channel::ListState>(channel::decode(frames.next().value())).request;
  }
  asio::awaitable<void> wait_for_answer() {
    answer_ = co_await router_.handle("GET", "/v1/jobs/gpt/state", "", Caller::owns("root"));
  }
  void say(const channel::StateList& page) {
    lists_.add(job_->id(), page);
    turn();
  }
  static channel::StateList page(std::uint64_t request, std::uint32_t number, bool last) {
    channel::StateList page{.request = request, .step = 7, .page = number, .last = last};
    page.items.push_back({.name = "w" + std::to_string(number), .kind = "memory"});
    return page;
  }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  RuntimeHub hub_{
      context_, tasks_, jobs_, {.hello = {}, .message = {}, .detached = [](const Instance&) {}}};
  StateLists lists_{jobs_, hub_};
  Router router_;
  Instance* job_ = nullptr;
  Descriptor runtime_;
  std::optional<ApiResponse> answer_;
};

TEST_F(AStateList, IsOfAllPages) {
  const auto request = ask();
  say(page(request, 0, false));
  EXPECT_FALSE(answer_.has_value());
  say(page(request, 1, true));
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->status, 200U);
  EXPECT_EQ(answer_->body.at("items").as_array().size(), 2U);
}

TEST_F(AStateList, LacksNoPage) {
  const auto request = ask();
  say(page(request, 0, false));
  EXPECT_THROW(say(page(request, 2, true)), Error);
  turn();
  EXPECT_FALSE(answer_.has_value()) << "a list is shown that lacks a page";
}

TEST_F(AStateList, IsRefusedByARuntimeOfWhichTooManyAsk) {
  auto none = channel::StateList{.request = ask(), .step = 7};
  none.refusal = "16 wait already";
  say(none);
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->status, 422U);
  EXPECT_THAT(std::string(answer_->body.at("error").at("failure").as_string()),
              ::testing::HasSubstr("16 wait already"));
}

}  // namespace
}  // namespace cardswap
