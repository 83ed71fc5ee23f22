#include "migrator/base/error.h"

#include <array>
#include <new>
#include <system_error>
#include <utility>

#include "migrator/base/named.h"

namespace cardswap {
namespace {

constexpr std::array<std::pair<Code, std::string_view>, 20> kNames{{
    {Code::bad_request, "bad_request"},
    {Code::not_found, "not_found"},
    {Code::conflict, "conflict"},
    {Code::unauthorized, "unauthorized"},
    {Code::protocol_mismatch, "protocol_mismatch"},
    {Code::layout_differs, "layout_differs"},
    {Code::no_memory, "no_memory"},
    {Code::refused, "refused"},
    {Code::unreachable, "unreachable"},
    {Code::link_lost, "link_lost"},
    {Code::target_lost, "target_lost"},
    {Code::source_lost, "source_lost"},
    {Code::timed_out, "timed_out"},
    {Code::cancelled, "cancelled"},
    {Code::not_converging, "not_converging"},
    {Code::digest_mismatch, "digest_mismatch"},
    {Code::io, "io"},
    {Code::corrupt, "corrupt"},
    {Code::in_doubt, "in_doubt"},
    {Code::internal, "internal"},
}};
static_assert(kNames.size() == kCountOf<Code>);

}  // namespace

std::string_view to_string(Code code) {
  for (const auto& [value, name] : kNames) {
    if (value == code) return name;
  }
  return "internal";
}

std::optional<Code> code_from_string(std::string_view text) { return named<Code>(text); }

Error::Error(Code code, std::string failure, std::string hint)
    : code_(code),
      failure_(std::move(failure)),
      hint_(std::move(hint)),
      text_(hint_.empty() ? failure_ : failure_ + "; " + hint_) {}

Error Error::within(std::string_view task) const {
  return {code_, std::string(task) + ": " + failure_, hint_};
}

Error error_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return {Code::no_memory, "this process got no memory for what it was asked",
            "free memory on this host"};
  } catch (const std::system_error& error) {
    return {Code::io, error.what()};
  } catch (const std::exception& error) {
    return {Code::internal, std::string("unexpected: ") + error.what(),
            "a defect of Cardswap: please report it"};
  } catch (...) {
    return {Code::internal, "unexpected: an exception without a text",
            "a defect of Cardswap: please report it"};
  }
}

}  // namespace cardswap
