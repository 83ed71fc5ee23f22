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
constexpr std::int64_t kEveryMsMin = 1000;  // more often than that nobody reads what is written

json::value or_null(std::uint64_t number) {
  return number == 0 ? json::value(nullptr) : json::value(number);
}
json::value or_null(std::int64_t number) { return or_null(static_cast<std::uint64_t>(number)); }

/// A time of at least `least`, in ms; 0: the field is missing.
std::int64_t time_at(const json::object& order, const char* key, std::int64_t least,
                     std::string_view kind) {
  const auto ms = static_cast<std::int64_t>(
      validate::count(key, number_at(order, key), static_cast<std::uint64_t>(kYearMs)));
  validate::check(ms == 0 || ms >= least, key, kind);
  return ms;
}

/// Reads how often a snapshot is to be taken.
void read_cadence(const json::object& order, Protection& to) {
  to.every_steps = validate::count("every_steps", number_at(order, "every_steps"));
  to.every_ms = time_at(order, "every_ms", kEveryMsMin, "time of at least a second");
  to.is_auto = flag_at(order, "auto");
  to.mtbf_ms = time_at(order, "mtbf_ms", kMtbfMin.count(), "time of at least a minute");
  const int given =
      (to.every_steps != 0 ? 1 : 0) + (to.every_ms != 0 ? 1 : 0) + (to.is_auto ? 1 : 0);
  if (given != 1) {
    throw Error(Code::bad_request, "a protection is by steps, by time or by what it costs",
                "give one of every_steps, every_ms and auto");
  }
  if (to.mtbf_ms != 0 && !to.is_auto) {
    throw Error(Code::bad_request, "the time between failures chooses the interval of `auto` only",
                "give mtbf_ms with auto, or leave it out");
  }
}

const char* word_of(channel::LogMode mode) {
  switch (mode) {
    case channel::LogMode::async: return "async";
    case channel::LogMode::sync: return "sync";
    case channel::LogMode::off: break;
  }
  return "off";
}

/// Reads which gradient log is to be kept.
void read_log(const json::object& order, Protection& to) {
  const auto word = text_at(order, "log");
  for (const auto mode : {channel::LogMode::off, channel::LogMode::async, channel::LogMode::sync}) {
    if (word == word_of(mode)) to.log = mode;
  }
  validate::check(word.empty() || word == word_of(to.log), "log", "gradient log: async, sync, off");
  to.window_steps = validate::count("window_steps", number_at(order, "window_steps"));
  to.window_bytes = validate::count("window_bytes", number_at(order, "window_bytes"));
  if (to.log == channel::LogMode::off && (to.window_steps != 0 || to.window_bytes != 0)) {
    throw Error(Code::bad_request, "a window is that of a gradient log, and there is to be none",
                "give a log with it, or leave it out");
  }
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
  a("is_told", m.arrival_told);
}

json::object to_json(const Protection& protection) {
  return {{"every_steps", or_null(protection.every_steps)},
          {"every_ms", or_null(protection.every_ms)},
          {"auto", protection.is_auto},
          {"mtbf_ms", or_null(protection.mtbf_ms)},
          {"store", protection.store},
          {"keep", store::to_string(protection.keep)},
          {"grace_ms", protection.grace_ms},
          {"log", word_of(protection.log)},
          {"window_steps", or_null(protection.window_steps)},
          {"window_bytes", or_null(protection.window_bytes)}};
}

std::optional<Protection> protection_in(const json::object& from) {
  const auto* value = value_at(from, "protection");
  if (value == nullptr) return std::nullopt;
  validate::check(value->is_object(), "protection", "order for snapshots");
  const auto& order = value->get_object();
  Protection protection;
  read_cadence(order, protection);
  protection.store = text_at(order, "store");
  validate::check(validate::is_store(protection.store), "store",
                  "address of a store: write it like file:/var/lib/cardswap/store");
  if (const auto keep = text_at(order, "keep"); !keep.empty()) {
    protection.keep = store::keep_rule_from(keep);
  }
  protection.grace_ms = static_cast<std::int64_t>(validate::count(
      "grace_ms", number_at(order, "grace_ms"), static_cast<std::uint64_t>(kYearMs)));
  read_log(order, protection);
  return protection;
}

json::object to_journal(const ProtectionNotes& notes) {
  json::object record;
  put_fields(record, notes);
  if (notes.interval != AutoInterval{}) record["interval"] = to_json(notes.interval);
  return record;
}

ProtectionNotes protection_notes_from_journal(const json::object& record) {
  ProtectionNotes notes;
  read_fields(record, notes);
  notes.interval = auto_interval_from(object_at(record, "interval"));
  return notes;
}

json::object to_json(const Protection& protection, const ProtectionNotes& notes) {
  auto shown = to_json(protection);
  shown["interval"] = protection.is_auto && notes.interval.every_ms != 0
                          ? json::value(to_json(notes.interval))
                          : json::value(nullptr);
  shown["last"] =
      notes.number == 0
          ? json::value(nullptr)
          : json::value(json::object{
                {"snapshot", notes.number}, {"step", notes.step}, {"at_ms", notes.at_ms}});
  shown["taken"] = notes.taken;
  shown["failed"] = notes.failed;
  shown["failures_in_a_row"] = notes.failures_in_a_row;
  shown["retry_at_ms"] = or_null(notes.retry_at_ms);
  shown["error"] =
      notes.error.empty()
          ? json::value(nullptr)
          : json::value(json::object{{"failure", notes.error}, {"hint", text_or_null(notes.hint)}});
  shown["prune_error"] = text_or_null(notes.prune_error);
  return shown;
}

}  // namespace cardswap
