#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

/// What Session::open(), track() and their like throw; only the standard library.
namespace cardswap {

/// What kind of failure it is: stable across versions, processes and the API (the text is not).
/// The names are what `-o json`, the journal and the HTTP API show.
enum class Code : std::uint8_t {
  bad_request,        ///< the input is wrong; sending it again will not help
  not_found,          ///< no such job, migration or device
  conflict,           ///< exists already, or is in a state that does not allow it
  unauthorized,       ///< token or certificate missing or wrong
  protocol_mismatch,  ///< the other side speaks another protocol version
  layout_differs,     ///< the standby's tensors are not the source's
  no_memory,          ///< the target device has too little free memory
  refused,            ///< preflight says no; nothing was touched
  unreachable,        ///< no connection could be made
  link_lost,          ///< the data connection broke
  target_lost,        ///< the standby or its agent is gone
  source_lost,        ///< the trainer or its agent is gone
  timed_out,          ///< a limit passed
  cancelled,          ///< somebody asked for it
  not_converging,     ///< the rounds do not get under the allowed downtime
  digest_mismatch,    ///< the two sides hold different bytes
  io,                 ///< a file, disk or socket failed
  corrupt,            ///< stored data is damaged
  in_doubt,           ///< the decision cannot be learned; an operator must decide
  internal,           ///< a defect of Cardswap
};

/// "bad_request" and so on.
[[nodiscard]] std::string_view to_string(Code code);

/// The exception of Cardswap, here and inside: `failure` says what failed, on what; `hint` says
/// what to do (may be empty). A value; copies share nothing.
class Error : public std::exception {
 public:
  Error(Code code, std::string failure, std::string hint = {});

  [[nodiscard]] Code code() const noexcept { return code_; }
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }
  /// "failure" or "failure; hint": valid as long as this object.
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

  /// This error with the outer task in front: "migrate gpt: <failure>".
  [[nodiscard]] Error within(std::string_view task) const;

 private:
  Code code_;
  std::string failure_;
  std::string hint_;
  std::string text_;
};

}  // namespace cardswap
