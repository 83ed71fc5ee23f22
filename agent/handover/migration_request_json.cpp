#include "agent/handover/migration_request_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <limits>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/json_archive.h"
#include "agent/base/validate.h"
#include "migrator/core/layout.h"

namespace cardswap {
namespace {

namespace json = boost::json;

constexpr double kTimeoutMaxMs = 366.0 * 86'400'000;
constexpr const char* kFailpointBefore = "hold_at";  // its older name

/// The names of a struct's fields.
struct NamesOf {
  static constexpr bool kReads = false;
  std::vector<std::string_view> names;

  template <class Field>
  void operator()(const char* name, const Field&) {
    names.emplace_back(name);
  }
  template <class Field>
  void optional(const char* name, const Field&) {
    names.emplace_back(name);
  }
  template <class Field>
  void limit(const char* name, const Field&, const char* older_name = nullptr) {
    names.emplace_back(name);
    if (older_name != nullptr) names.emplace_back(older_name);
  }
};

/// Fields of a request. A text has to be there; what else is absent or null stays as it is.
class RequestIn {
 public:
  static constexpr bool kReads = true;

  explicit RequestIn(const ApiRequest& request) : request_(request) {}

  template <class Field>
  void operator()(const char* name, Field& field) {
    if constexpr (std::is_same_v<Field, std::string>) {
      field = request_.text(name);
    } else if constexpr (std::is_same_v<Field, bool>) {
      field = request_.flag_or(name, field);
    } else if constexpr (Named<Field>) {
      const auto text = request_.text_or(name, to_string(field));
      const auto value = named<Field>(text);
      if (!value) {
        throw Error(Code::bad_request, fmt::format("'{}' is no value of '{}'", text, name),
                    "use " + names_of<Field>());
      }
      field = *value;
    } else {
      field = number<Field>(name, request_.number_or(name, static_cast<double>(field)));
    }
  }
  /// Reads a text; empty if it is missing.
  void optional(const char* name, std::string& field) { field = request_.text_or(name, ""); }
  /// Null lifts the limit, which is 0 from here on; 0 itself would let nothing through.
  /// Under both names it has to be the same.
  template <class Field>
  void limit(const char* name, Field& field, const char* older_name = nullptr) {
    const auto* value = request_.body.if_contains(name);
    const auto* older = older_name != nullptr ? request_.body.if_contains(older_name) : nullptr;
    if (value != nullptr && older != nullptr && *value != *older) {
      throw Error(Code::bad_request, fmt::format("'{}' and '{}' differ", name, older_name),
                  fmt::format("they are one limit: '{}' is its older name", older_name));
    }
    if (value == nullptr && older != nullptr) {
      value = older;
      name = older_name;
    }
    if (value == nullptr) return;
    if (value->is_null()) {
      field = 0;
      return;
    }
    const double limit = request_.number_or(name, 0);
    if (limit < 1) {
      throw Error(Code::bad_request,
                  fmt::format("'{}' of {} would let nothing through", name, limit),
                  "null lifts the limit");
    }
    field = number<Field>(name, limit);
  }

 private:
  template <class Number>
  static Number number(const char* name, double value) {
    if constexpr (!std::is_floating_point_v<Number>) {
      const auto most = static_cast<double>(std::numeric_limits<Number>::max());
      if (value > most) {
        throw Error(Code::bad_request,
                    fmt::format("the field '{}' must be a number up to {:.0f}", name, most));
      }
    }
    return static_cast<Number>(value);
  }

  const ApiRequest& request_;
};

/// Checks the fields of a snapshot. Throws Error{bad_request}.
void check_snapshot(const MigrationRequest& wanted) {
  const auto& spec = wanted.spec;
  if (spec.store.empty()) {
    validate::check(spec.tag.empty(), "tag", "field of a request without 'store'");
    return;
  }
  validate::check(validate::is_store(spec.store), spec.store,
                  "address of a store: write it like file:/var/lib/cardswap/store");
  validate::check(spec.tag.empty() || validate::is_job_name(spec.tag), "tag", "name of a snapshot");
  if (wanted.dry_run || spec.rehearse != Rehearsal::off) {
    throw Error(Code::bad_request,
                "a snapshot can neither be predicted nor rehearsed: nothing moves");
  }
}

}  // namespace

MigrationRequest migration_request_from(const ApiRequest& request) {
  MigrationRequest wanted;
  NamesOf known;
  fields(known, wanted.spec);
  known.names.insert(known.names.end(), {"from", "dry_run", "failpoint", kFailpointBefore});
  request.only(known.names);
  RequestIn in(request);
  fields(in, wanted.spec);
  wanted.from = request.text_or("from", "");
  validate::check(wanted.from.empty() || address_from(wanted.from), "from", "host");
  wanted.dry_run = request.flag_or("dry_run", false);
  wanted.failpoint = request.text_or("failpoint", request.text_or(kFailpointBefore, ""));
  if (wanted.dry_run && wanted.spec.rehearse == Rehearsal::only) {
    throw Error(Code::bad_request, "a rehearsal cannot be predicted: dry_run moves nothing either");
  }
  check_snapshot(wanted);
  (void)cut_into_chunks(Layout(), wanted.spec.chunk_bytes);
  if (wanted.spec.timeout_ms > kTimeoutMaxMs) {
    throw Error(Code::bad_request, "a time-out of over a year", "use less, or none");
  }
  return wanted;
}

}  // namespace cardswap
