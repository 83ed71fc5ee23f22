#include "migrator/store/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap::store {
namespace {

constexpr int kDepthMax = 8;
constexpr std::string_view kShortEscapes = "\"\"\\\\\bb\ff\nn\rr\tt";

Error no_json(std::string_view what) { return {Code::corrupt, fmt::format("JSON: {}", what)}; }

void print_text(std::string& out, std::string_view text) {
  if (!is_utf8(text)) throw Error(Code::bad_request, "a text of a snapshot is no UTF-8");
  out += '"';
  for (const char c : text) {
    std::size_t escape = 0;
    while (escape < kShortEscapes.size() && kShortEscapes[escape] != c) escape += 2;
    if (escape < kShortEscapes.size()) {
      out += '\\';
      out += kShortEscapes[escape + 1];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

template <class Number>
void print_number(std::string& out, Number number) {
  std::array<char, 40> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void print(std::string& out, const Json& json);

void print_array(std::string& out, const JsonArray& array) {
  out += '[';
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out += ',';
    print(out, array[i]);
  }
  out += ']';
}

void print_object(std::string& out, const JsonObject& object) {
  std::vector<const JsonMember*> sorted;
  sorted.reserve(object.size());
  for (const auto& member : object) sorted.push_back(&member);
  std::ranges::sort(sorted, {},
                    [](const auto* member) -> std::string_view { return member->name; });
  out += '{';
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0) {
      if (sorted[i]->name == sorted[i - 1]->name) {
        throw Error(Code::bad_request, fmt::format("'{}' comes twice", sorted[i]->name));
      }
      out += ',';
    }
    print_text(out, sorted[i]->name);
    out += ':';
    print(out, sorted[i]->value);
  }
  out += '}';
}

void print(std::string& out, const Json& json) {
  const auto& value = json.value();
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return print_number(out, *number);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return print_number(out, *number);
  if (const auto* number = std::get_if<double>(&value)) return print_number(out, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return print_text(out, *text);
  if (const auto* array = std::get_if<JsonArray>(&value)) return print_array(out, *array);
  if (const auto* object = std::get_if<JsonObject>(&value)) return print_object(out, *object);
  if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else {
    out += "null";
  }
}

/// Reads JSON that somebody else wrote: bounded in depth and in what it allocates.
class JsonReader {
 public:
  JsonReader(std::string_view text, std::size_t values_max)
      : rest_(text), values_left_(values_max) {}

  Json whole() {
    auto json = value(0);
    if (!rest_.empty()) throw no_json("there is more behind its end");
    return json;
  }

 private:
  bool takes(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void need(std::string_view word) {
    if (!takes(word)) throw no_json(fmt::format("'{}' is missing", word));
  }

  Json value(int depth) {
    if (depth > kDepthMax) throw no_json("it is nested too deep");
    if (values_left_-- == 0) throw no_json("it has too many values");
    if (takes("{")) return object(depth);
    if (takes("[")) return array(depth);
    if (rest_.starts_with('"')) return text();
    if (takes("null")) return {};
    if (takes("true")) return true;
    if (takes("false")) return false;
    return number();
  }

  Json object(int depth) {
    JsonObject members;
    if (takes("}")) return members;
    do {
      auto name = text();
      need(":");
      if (!members.empty() && members.back().name >= name) throw no_json("names are not in order");
      auto member = value(depth + 1);
      members.push_back({std::move(name), std::move(member)});
    } while (takes(","));
    need("}");
    return members;
  }

  Json array(int depth) {
    JsonArray items;
    if (takes("]")) return items;
    do items.push_back(value(depth + 1));
    while (takes(","));
    need("]");
    return items;
  }

  std::string text() {
    need("\"");
    std::string out;
    while (true) {
      const auto run = std::min(rest_.find_first_of("\"\\"), rest_.size());
      out.append(rest_.substr(0, run));
      rest_.remove_prefix(run);
      if (rest_.empty()) throw no_json("a text has no end");
      if (takes("\"")) break;
      out += escaped();
    }
    if (!is_utf8(out)) throw no_json("a text is not UTF-8");
    return out;
  }

  char escaped() {
    if (takes("\\u00")) {
      unsigned value = 0;
      const auto digits = rest_.substr(0, 2);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (error != std::errc{} || end != digits.data() + 2 || value >= 0x20) {
        throw no_json("an escape is not the one of a control character");
      }
      rest_.remove_prefix(2);
      return static_cast<char>(value);
    }
    for (std::size_t i = 1; i < kShortEscapes.size() && rest_.size() > 1; i += 2) {
      if (rest_[1] != kShortEscapes[i]) continue;
      rest_.remove_prefix(2);
      return kShortEscapes[i - 1];
    }
    throw no_json("an escape is unknown");
  }

  Json number() {
    const auto size = std::min(rest_.find_first_not_of("+-.0123456789e"), rest_.size());
    const auto digits = rest_.substr(0, size);
    rest_.remove_prefix(size);
    if (const auto whole = all_of_it<std::uint64_t>(digits)) return *whole;
    if (const auto whole = all_of_it<std::int64_t>(digits); whole && *whole < 0) return *whole;
    if (const auto real = all_of_it<double>(digits); real && std::isfinite(*real)) return *real;
    throw no_json("a value is not valid");
  }

  template <class Number>
  static std::optional<Number> all_of_it(std::string_view digits) {
    Number number{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return number;
  }

  std::string_view rest_;
  std::size_t values_left_;
};

template <class Kind>
const Kind& kind_of(const Json& json, std::string_view what) {
  const auto* value = std::get_if<Kind>(&json.value());
  if (value == nullptr) throw no_json(fmt::format("a value is not {}", what));
  return *value;
}

}  // namespace

Json::Json(std::int64_t value) : value_(value) {
  if (value >= 0) value_ = static_cast<std::uint64_t>(value);
}

Json::Json(double value) : value_(value) {
  if (std::isnan(value)) value_ = std::string("nan");
  if (std::isinf(value)) value_ = std::string(value > 0 ? "inf" : "-inf");
}

const Json& Json::at(std::string_view name) const {
  static const Json kNone;
  const auto& members = object();
  const auto found = std::ranges::lower_bound(
      members, name, {}, [](const auto& member) -> std::string_view { return member.name; });
  return found == members.end() || found->name != name ? kNone : found->value;
}

std::uint64_t Json::number() const { return kind_of<std::uint64_t>(*this, "a whole number"); }

std::int64_t Json::signed_number() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  const auto value = number();
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw no_json("a number is too large");
  }
  return static_cast<std::int64_t>(value);
}

double Json::real() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  const auto& word = kind_of<std::string>(*this, "a number");
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (word == "inf") return std::numeric_limits<double>::infinity();
  if (word == "-inf") return -std::numeric_limits<double>::infinity();
  throw no_json("a value is not a number");
}

const std::string& Json::text() const { return kind_of<std::string>(*this, "a text"); }
const JsonArray& Json::array() const { return kind_of<JsonArray>(*this, "a list"); }
const JsonObject& Json::object() const { return kind_of<JsonObject>(*this, "an object"); }

std::vector<std::byte> canonical_bytes(const Json& json) {
  std::string out;
  print(out, json);
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

Json read_canonical(std::span<const std::byte> bytes, std::size_t values_max) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto json = JsonReader(text, values_max).whole();
  std::string again;
  print(again, json);
  if (again != text) throw no_json("it is not in its canonical form");
  return json;
}

}  // namespace cardswap::store
