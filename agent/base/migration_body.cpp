#include "agent/base/migration_body.h"

#include "agent/base/json_archive.h"

namespace cardswap {
namespace {

namespace json = boost::json;

/// A limit of none is null.
class RequestOut : public JsonOut {
 public:
  explicit RequestOut(json::object& to) : JsonOut(to), to_(to) {}

  /// Under the name that agents of older releases know as well.
  template <class Field>
  void limit(const char* name, const Field& field, const char* older_name = nullptr) {
    to_[older_name != nullptr ? older_name : name] =
        field == 0 ? json::value(nullptr) : json::value(field);
  }
  /// An agent of an older release knows no such field: it is there where it says something.
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
  RequestOut out(body);
  fields(out, spec);
  return body;
}

}  // namespace cardswap
