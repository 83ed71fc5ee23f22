#include "agent/handover/base/migration_body.h"

#include "agent/base/json_archive.h"

namespace cardswap {
namespace {

namespace json = boost::json;

/// Writes a limit of 0, which is none, as null.
class RequestWriter : public JsonFieldWriter {
 public:
  explicit RequestWriter(json::object& to) : JsonFieldWriter(to), to_(to) {}

  /// Under the name that agents of older releases know as well.
  template <class Field>
  void limit(const char* name, const Field& field, const char* older_name = nullptr) {
    to_[older_name != nullptr ? older_name : name] =
        field == 0 ? json::value(nullptr) : json::value(field);
  }
  /// Leaves an empty text out: agents of older releases refuse unknown fields.
  template <class Field>
  void optional(const char* name, const Field& field) {
    if (!field.empty()) to_[name] = json::value(field);
  }

 private:
  json::object& to_;
};

}  // namespace

json::object request_body(const MigrationSpec& spec) {
  json::object body;
  RequestWriter out(body);
  fields(out, spec);
  return body;
}

}  // namespace cardswap
