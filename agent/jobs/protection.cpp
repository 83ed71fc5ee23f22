#include "agent/jobs/protection.h"

#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/base/validate.h"
#include "migrator/base/error.h"
#include "migrator/store/keep_rule_text.h"

namespace cardswap {

namespace json = boost::json;

namespace {

constexpr double kYearMs = 366.0 * 86'400'000;
constexpr std::uint64_t kEveryMsMin = 1000;  // more often than that nobody reads what is written

json::value or_null(std::uint64_t number) {
  return number == 0 ? json::value(nullptr) : json::value(number);
}

}  // namespace

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ProtectionNotes>& m) {
  a("number", m.number);
  a("step", m.step);
  a("at_ms", m.at_ms);
  a("restarts", m.restarts);
  a("taken", m.taken);
  a("failed", m.failed);
  a("failures_in_a_row", m.failures_in_a_row);
  a("retry_at_ms", m.retry_at_ms);
  a("error", m.error);
  a("hint", m.hint);
  a("prune_error", m.prune_error);
  a("is_told", m.is_told);
}

json::object to_json(const Protection& protection) {
  return {{"every_steps", or_null(protection.every_steps)},
          {"every_ms", or_null(static_cast<std::uint64_t>(protection.every_ms))},
          {"store", protection.store},
          {"keep", store::to_string(protection.keep)},
          {"grace_ms", protection.grace_ms}};
}

std::optional<Protection> protection_in(const json::object& from) {
  const auto* value = value_at(from, "protection");
  if (value == nullptr) return std::nullopt;
  validate::check(value->is_object(), "protection", "order for snapshots");
  const auto& order = value->get_object();
  Protection protection;
  protection.every_steps = validate::count("every_steps", number_at(order, "every_steps"));
  protection.every_ms = static_cast<std::int64_t>(validate::count(
      "every_ms", number_at(order, "every_ms"), static_cast<std::uint64_t>(kYearMs)));
  if ((protection.every_steps == 0) == (protection.every_ms == 0)) {
    throw Error(Code::bad_request, "a protection is by steps or by time",
                "give one of every_steps and every_ms");
  }
  validate::check(
      protection.every_ms == 0 || static_cast<std::uint64_t>(protection.every_ms) >= kEveryMsMin,
      "every_ms", "time of at least a second");
  protection.store = text_at(order, "store");
  validate::check(validate::is_store(protection.store), "store",
                  "address of a store: write it like file:/var/lib/cardswap/store");
  if (const auto keep = text_at(order, "keep"); !keep.empty()) {
    protection.keep = store::keep_rule_from(keep);
  }
  protection.grace_ms = static_cast<std::int64_t>(validate::count(
      "grace_ms", number_at(order, "grace_ms"), static_cast<std::uint64_t>(kYearMs)));
  return protection;
}

json::object to_journal(const ProtectionNotes& notes) {
  json::object record;
  put_fields(record, notes);
  return record;
}

ProtectionNotes protection_notes_from_journal(const json::object& record) {
  ProtectionNotes notes;
  read_fields(record, notes);
  return notes;
}

json::object to_json(const Protection& protection, const ProtectionNotes& notes) {
  auto shown = to_json(protection);
  shown["last"] =
      notes.number == 0
          ? json::value(nullptr)
          : json::value(json::object{
                {"snapshot", notes.number}, {"step", notes.step}, {"at_ms", notes.at_ms}});
  shown["taken"] = notes.taken;
  shown["failed"] = notes.failed;
  shown["failures_in_a_row"] = notes.failures_in_a_row;
  shown["retry_at_ms"] = or_null(static_cast<std::uint64_t>(notes.retry_at_ms));
  shown["error"] =
      notes.error.empty()
          ? json::value(nullptr)
          : json::value(json::object{{"failure", notes.error}, {"hint", text_or_null(notes.hint)}});
  shown["prune_error"] = text_or_null(notes.prune_error);
  return shown;
}

}  // namespace cardswap
