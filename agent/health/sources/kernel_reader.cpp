#include "agent/health/sources/kernel_reader.h"

#include <algorithm>

#include "agent/base/printable.h"
#include "agent/health/sources/own_host.h"

namespace cardswap::health {
namespace {

/// The tolerance for a line's time: it is in seconds, and the clock may be set while a host boots.
constexpr Ms kClockMayDiffer = 2000;
constexpr std::size_t kHostShownMax = 64;

std::string without_dashes(std::string_view id) {
  std::string result(id);
  std::erase(result, '-');
  return result;
}

bool is_field(std::string_view line) {
  const auto equals = line.find('=');
  return equals != std::string_view::npos && equals > 0 &&
         line.substr(0, equals).find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             std::string_view::npos;
}

}  // namespace

const char* to_string(LineFate fate) {
  switch (fate) {
    case LineFate::nothing: return "nothing";
    case LineFate::fault: return "fault";
    case LineFate::well: return "well";
    case LineFate::unplaced: return "unplaced";
    case LineFate::not_kernel: return "not_kernel";
    case LineFate::other_host: return "other_host";
    case LineFate::too_old: return "too_old";
  }
  return "";
}

bool KernelReader::is_too_old(const KernelRecord& record, const Since& since) const {
  if (!record.boot.empty() && !boot_.empty()) {
    if (without_dashes(record.boot) != without_dashes(boot_)) return true;
    if (since.other_boot) return false;
  }
  if (record.at && since.wall > 0) return *record.at + kClockMayDiffer < since.wall;
  return since.other_boot && !booted_;
}

bool KernelReader::is_of_this_host(const KernelRecord& record) const {
  if (record.host.empty() || names_.empty()) return true;
  const OwnHost own{names_, {}, {}};
  const auto is = own.match(record.host);
  // A log daemon in a container or of a small system may write "localhost": the file is this
  // host's.
  return is != OwnHost::Match::another;
}

/// Takes a line in the journal's export form; true: it ended a record, which is in `record`.
bool KernelReader::take_export(std::string_view line, KernelRecord& record) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    if (!exporting_) return false;
    record = fields_.record();
    fields_ = {};
    exporting_ = false;
    return true;
  }
  if (!is_field(line)) return false;
  exporting_ = exporting_ || line.starts_with("__CURSOR=");
  if (!exporting_) return false;
  const auto equals = line.find('=');
  fields_.take(line.substr(0, equals), line.substr(equals + 1));
  return false;
}

KernelNews KernelReader::read(std::string_view line, Ms now, const Since& since) {
  KernelNews news;
  if (since.other_boot && line.find("Linux version ") != std::string_view::npos &&
      line.find("NVRM") == std::string_view::npos) {
    booted_ = true;
    news.begins_boot = true;
  }
  KernelRecord record;
  if (form_ == LogForm::file && !take_export(line, record)) {
    if (exporting_) return news;
    record = record_of(line, form_, now);
  } else if (form_ == LogForm::kmsg) {
    record = record_of(line, form_, now);
  }
  const auto fate = [&](LineFate what, std::string why) {
    news.fate = what;
    news.why = std::move(why);
    news.sample = excerpt(line);
    return news;
  };
  switch (record.kind) {
    case KernelRecord::Kind::nothing: return news;
    case KernelRecord::Kind::not_kernel:
      return fate(LineFate::not_kernel, "a process wrote it, not the kernel");
    case KernelRecord::Kind::unknown_form:
      return fate(LineFate::unplaced, "what stands before the driver's words is not known");
    case KernelRecord::Kind::message: break;
  }
  news.timed = record.at.has_value() || !record.boot.empty();
  if (!is_of_this_host(record))
    return fate(LineFate::other_host, "it names host " + excerpt(record.host, kHostShownMax));
  if (is_too_old(record, since)) return fate(LineFate::too_old, "it is older than this boot");
  switch (parser_.parse(record.text, news.faults)) {
    case DriverMessageParser::Verdict::fault: news.fate = LineFate::fault; break;
    case DriverMessageParser::Verdict::well: news.fate = LineFate::well; break;
    case DriverMessageParser::Verdict::unreadable_xid:
      return fate(LineFate::unplaced, "an XID in a form that is not known");
    case DriverMessageParser::Verdict::unknown_words:
      return fate(LineFate::unplaced, "the driver's words are not known");
  }
  news.sample = excerpt(line);
  return news;
}

}  // namespace cardswap::health
