#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

/// The exception that Cardswap's calls throw, and its codes. Needs only the standard library.
namespace cardswap {

/// The kind of a failure. A code keeps its name in all versions; the text of an error may change.
/// `-o json`, the journal and the HTTP API show these names.
enum class Code : std::uint8_t {
  bad_request,        ///< the input is wrong; sending it again will not help
  not_found,          ///< what the call names does not exist: a job, device, snapshot or file
  conflict,           ///< the thing exists already, or its state does not allow the call
  unauthorized,       ///< token or certificate missing or wrong
  protocol_mismatch,  ///< the other side's protocol version or its answer is not of this protocol
  layout_differs,     ///< the standby's tensors are not the source's
  no_memory,          ///< too little memory or disk space: a device's, a process's or a store's
  refused,            ///< a check or a callback of the program says no
  unreachable,        ///< no connection could be made
  link_lost,          ///< the data connection broke
  target_lost,        ///< the standby or its agent is gone
  source_lost,        ///< the trainer or its agent is gone
  timed_out,          ///< a limit passed
  cancelled,          ///< a user or an operator cancelled the migration
  not_converging,     ///< no freeze within --max-stall can be expected; the job trains on
  digest_mismatch,    ///< the two sides hold different bytes
  io,                 ///< a file, disk or socket failed
  corrupt,            ///< stored data is damaged, or an answer is not HTTP with JSON
  in_doubt,           ///< the decision cannot be learned; an operator must decide
  internal,           ///< a defect of Cardswap
};

/// The name of the code: "bad_request" and so on. Valid for the life of the process.
[[nodiscard]] std::string_view to_string(Code code);

/// The one exception type of Cardswap. `failure` says what failed and on which object; `hint` says
/// what to do about it, and may be empty.
class Error : public std::exception {
 public:
  Error(Code code, std::string failure, std::string hint = {});

  [[nodiscard]] Code code() const noexcept { return code_; }
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }
  /// "failure", or "failure; hint" if there is a hint. Valid as long as this object.
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

  /// A copy of this error whose failure begins with the outer task: "migrate gpt: <failure>".
  [[nodiscard]] Error within(std::string_view task) const;

 private:
  Code code_;
  std::string failure_;
  std::string hint_;
  std::string text_;
};

}  // namespace cardswap
