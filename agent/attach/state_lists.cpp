#include "agent/attach/state_lists.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/jobs/obstacles.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kAnswerMax{10};
constexpr std::size_t kAskedMax = 64;

json::value reported_text(const std::string& text) { return text_or_null(as_utf8(text)); }

json::object to_json(const channel::StateItem& item) {
  return {{"name", as_utf8(item.name)},
          {"kind", as_utf8(item.kind)},
          {"type", reported_text(item.type)},
          {"device", reported_text(item.device)},
          {"dtype", reported_text(item.dtype)},
          {"bytes", item.bytes},
          {"tensors", item.tensors},
          {"tracked", item.tracked},
          {"moves", reported_text(item.moves)},
          {"changed", item.changed == "yes"  ? json::value(true)
                      : item.changed == "no" ? json::value(false)
                                             : json::value(nullptr)},
          {"note", reported_text(item.note)}};
}

}  // namespace

void StateLists::add_routes(Router& router, const std::string& host_name) {
  router.add("GET", "/v1/jobs/{name}/state",
             [this, host_name](ApiRequest request) -> asio::awaitable<ApiResponse> {
               const auto name = request.path.at("name");
               const auto* job = jobs_.find(name);
               if (job == nullptr) {
                 throw Error(Code::not_found,
                             fmt::format("there is no job '{}' on {}", name, host_name),
                             "`cardswap jobs` lists the jobs of this host");
               }
               auto state = co_await ask(job->first().id());
               co_return ApiResponse{200, std::move(state)};
             });
}

asio::awaitable<json::object> StateLists::ask(std::string instance) {
  std::erase_if(asked_, [](const auto& one) { return one.second.expired(); });
  if (asked_.size() >= kAskedMax) {
    throw Error(Code::refused, "too many are asking what jobs consist of", "ask again later");
  }
  const auto* process = jobs_.by_instance(instance);
  const auto name = process == nullptr ? std::string() : process->name();
  const auto request = ++latest_;
  const auto asked = std::make_shared<PendingQuery>();
  asked->instance = instance;
  asked_[request] = asked;
  if (process == nullptr || !hub_.send(*process, channel::ListState{request})) {
    throw Error(Code::conflict, fmt::format("job {} has no Cardswap runtime attached", name),
                "only a program that opened a cardswap::Session and runs can say what it tracks");
  }
  const auto until = std::chrono::steady_clock::now() + kAnswerMax;
  while (!asked->whole && std::chrono::steady_clock::now() < until) {
    co_await changed_.wait_until(until);
  }
  if (!asked->whole) {
    throw Error(Code::timed_out,
                fmt::format("job {} passed no step boundary in {} s", name, kAnswerMax.count()),
                "it answers at its next boundary: a longer step, or a freeze, keeps it from it");
  }
  if (!asked->refusal.empty()) {
    throw Error(
        Code::refused,
        fmt::format("job {} does not say what it consists of: {}", name, as_utf8(asked->refusal)),
        "ask again later");
  }
  process = jobs_.by_instance(instance);
  json::array items;
  for (const auto& item : asked->items) items.push_back(to_json(item));
  co_return json::object{
      {"job", name},
      {"step", asked->step},
      {"items", std::move(items)},
      {"cannot_move", process == nullptr ? json::array() : obstacles_json(process->obstacles)}};
}

void StateLists::add(const std::string& instance, const channel::StateList& page) {
  const auto found = asked_.find(page.request);
  const auto asked = found == asked_.end() ? nullptr : found->second.lock();
  if (!asked || asked->whole) return;  // nobody waits for it any more
  if (asked->instance != instance) return;
  if (page.page != asked->pages) {
    throw Error(Code::bad_request, "a list of a job's state lacks a page");
  }
  if (++asked->pages > channel::kPagesMax) {
    throw Error(Code::bad_request, "a list of a job's state has more pages than allowed");
  }
  asked->items.insert(asked->items.end(), page.items.begin(), page.items.end());
  asked->step = page.step;
  asked->refusal = page.refusal;
  asked->whole = page.last;
  changed_.notify();
}

}  // namespace cardswap
