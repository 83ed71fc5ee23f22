#pragma once

#include <cardswap/session.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <locale>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

/// Values of the standard library as tracked things: random engines and distributions, numbers,
/// texts, and containers of such values. <cardswap/session.h> includes this.
namespace cardswap {

/// A type that saves and loads its own state. `save` returns bytes, equal bytes for equal states.
/// `load` restores the state from them, and throws on bytes that `save` did not return.
template <class T>
concept SavesItself = requires(T& thing, const std::span<const std::byte>& bytes) {
  { thing.save() } -> std::convertible_to<std::vector<std::byte>>;
  thing.load(bytes);
};

namespace detail {

/// A random engine or distribution: the C++ standard says that its text is its whole state.
template <class T>
concept RandomText = requires(T& random, std::ostream& out, std::istream& in) {
  typename T::result_type;
  out << random;
  in >> random;
}
&&(
    requires(T& engine) { engine.discard(1ULL); } ||
    requires(T & distribution) {
      typename T::param_type;
      distribution.reset();
    });

/// Reads the bytes that Value<T>::put wrote. Checks each length; throws std::invalid_argument.
class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : rest_(bytes) {}
  std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) throw std::invalid_argument("a value ends too early");
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  /// Reads the number of items that follow; each of them takes at least one byte.
  std::size_t count() {
    std::uint64_t items = 0;
    std::memcpy(&items, take(sizeof(items)).data(), sizeof(items));
    if (items > rest_.size()) throw std::invalid_argument("a value promises more than it holds");
    return static_cast<std::size_t>(items);
  }
  void finish() const {
    if (!rest_.empty()) throw std::invalid_argument("a value has trailing bytes");
  }

 private:
  std::span<const std::byte> rest_;
};

/// How a `T` becomes bytes and comes back. A type is a value if Value<T> has `put` and `take`.
template <class T>
struct Value;

template <class T>
concept IsValue = requires(std::vector<std::byte>& out, const T& value, Bytes& in, T& into) {
  Value<T>::put(out, value);
  Value<T>::take(in, into);
};

inline void put_bytes(std::vector<std::byte>& out, const void* bytes, std::size_t size) {
  const auto* first = static_cast<const std::byte*>(bytes);
  out.insert(out.end(), first, first + size);
}
inline void put_count(std::vector<std::byte>& out, std::uint64_t items) {
  put_bytes(out, &items, sizeof(items));
}

template <class T>
requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) struct Value<T> {
  static void put(std::vector<std::byte>& out, const T& value) {
    put_bytes(out, &value, sizeof(T));
  }
  static void take(Bytes& in, T& value) {
    std::memcpy(&value, in.take(sizeof(T)).data(), sizeof(T));
  }
};

template <>
struct Value<std::string> {
  static void put(std::vector<std::byte>& out, const std::string& value) {
    put_count(out, value.size());
    put_bytes(out, value.data(), value.size());
  }
  static void take(Bytes& in, std::string& value) {
    const auto text = in.take(in.count());
    value.assign(reinterpret_cast<const char*>(text.data()), text.size());
  }
};

template <RandomText T>
struct Value<T> {
  static std::string text_of(const T& random) {
    std::ostringstream text;
    text.imbue(std::locale::classic());  // a program's own locale may group digits
    text << random;
    return std::move(text).str();
  }
  static void put(std::vector<std::byte>& out, const T& random) {
    Value<std::string>::put(out, text_of(random));
  }
  static void take(Bytes& in, T& random) {
    std::string saved;
    Value<std::string>::take(in, saved);
    std::istringstream text(saved);
    text.imbue(std::locale::classic());
    T read = random;
    text >> read;
    if (text.fail() || text_of(read) != saved) {
      throw std::invalid_argument("this is no text of such a random engine");
    }
    random = read;
  }
};

template <IsValue T>
struct Value<std::optional<T>> {
  static void put(std::vector<std::byte>& out, const std::optional<T>& value) {
    put_count(out, value ? 1 : 0);
    if (value) Value<T>::put(out, *value);
  }
  static void take(Bytes& in, std::optional<T>& value) {
    const auto items = in.count();
    if (items > 1) throw std::invalid_argument("an optional value with several values");
    value.reset();
    if (items == 1) Value<T>::take(in, value.emplace());
  }
};

template <IsValue A, IsValue B>
struct Value<std::pair<A, B>> {
  static void put(std::vector<std::byte>& out, const std::pair<A, B>& value) {
    Value<A>::put(out, value.first);
    Value<B>::put(out, value.second);
  }
  static void take(Bytes& in, std::pair<A, B>& value) {
    Value<A>::take(in, value.first);
    Value<B>::take(in, value.second);
  }
};

template <IsValue T, std::size_t Size>
struct Value<std::array<T, Size>> {
  static void put(std::vector<std::byte>& out, const std::array<T, Size>& values) {
    for (const auto& value : values) Value<T>::put(out, value);
  }
  static void take(Bytes& in, std::array<T, Size>& values) {
    for (auto& value : values) Value<T>::take(in, value);
  }
};

/// A sequence: the number of its items, then each item.
template <class Sequence>
struct SequenceValue {
  using Item = typename Sequence::value_type;
  static void put(std::vector<std::byte>& out, const Sequence& values) {
    put_count(out, values.size());
    for (const auto& value : values) Value<Item>::put(out, static_cast<const Item&>(value));
  }
  static void take(Bytes& in, Sequence& values) {
    Sequence taken;
    for (auto left = in.count(); left > 0; --left) {
      Item item{};
      Value<Item>::take(in, item);
      taken.push_back(std::move(item));
    }
    values = std::move(taken);
  }
};
template <IsValue T>
struct Value<std::vector<T>> : SequenceValue<std::vector<T>> {};
template <IsValue T>
struct Value<std::deque<T>> : SequenceValue<std::deque<T>> {};

/// A map or a set: its items sorted by their bytes, because the order of a hash table differs from
/// process to process.
template <class Table, class Item>
struct TableValue {
  static void put(std::vector<std::byte>& out, const Table& table) {
    std::set<std::vector<std::byte>> sorted;
    for (const auto& item : table) {
      std::vector<std::byte> bytes;
      Value<Item>::put(bytes, Item(item));
      sorted.insert(std::move(bytes));
    }
    put_count(out, sorted.size());
    for (const auto& bytes : sorted) put_bytes(out, bytes.data(), bytes.size());
  }
  static void take(Bytes& in, Table& table) {
    Table taken;
    for (auto left = in.count(); left > 0; --left) {
      Item item{};
      Value<Item>::take(in, item);
      taken.insert(std::move(item));
    }
    table = std::move(taken);
  }
};
template <IsValue K, IsValue V>
struct Value<std::map<K, V>> : TableValue<std::map<K, V>, std::pair<K, V>> {};
template <IsValue K, IsValue V>
struct Value<std::unordered_map<K, V>> : TableValue<std::unordered_map<K, V>, std::pair<K, V>> {};
template <IsValue T>
struct Value<std::set<T>> : TableValue<std::set<T>, T> {};
template <IsValue T>
struct Value<std::unordered_set<T>> : TableValue<std::unordered_set<T>, T> {};

/// A value of the standard library, saved and loaded through Value<T>.
template <IsValue T>
class TrackedByValue final : public TrackedState {
 public:
  explicit TrackedByValue(T& value) : value_(value) {}
  std::vector<std::byte> save() override {
    std::vector<std::byte> bytes;
    Value<T>::put(bytes, value_);
    return bytes;
  }
  void load(std::span<const std::byte> bytes) override {
    Bytes in(bytes);
    Value<T>::take(in, value_);
    in.finish();
  }

 private:
  T& value_;
};

/// A thing that saves and loads its own state.
template <SavesItself T>
class TrackedBySelf final : public TrackedState {
 public:
  explicit TrackedBySelf(T& thing) : thing_(thing) {}
  std::vector<std::byte> save() override { return thing_.save(); }
  void load(std::span<const std::byte> bytes) override { thing_.load(bytes); }

 private:
  T& thing_;
};

/// Whether <cardswap/session.h> tracks the type as plain bytes.
template <class T>
inline constexpr bool kIsPlain =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, std::string>;
template <class T>
inline constexpr bool kIsPlain<std::vector<T>> = std::is_arithmetic_v<T> && !std::same_as<T, bool>;

}  // namespace detail

template <class T>
requires(detail::IsValue<T> && !detail::kIsPlain<T>) struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& value) {
    return std::make_unique<detail::TrackedByValue<T>>(value);
  }
};
template <SavesItself T>
struct Trackable<T> {
  static std::unique_ptr<TrackedState> make(T& thing) {
    return std::make_unique<detail::TrackedBySelf<T>>(thing);
  }
};

/// The number of parts of a thing that gets more parts while the job trains, such as an optimizer
/// to which groups are added. If the source has more parts, the standby grows its own thing to the
/// same number before the state of the parts arrives. Made by tracked_growth().
class TrackedGrowth final : public TrackedState {
 public:
  TrackedGrowth(const std::uint64_t& size, std::function<void()> grow)
      : size_(size), grow_(std::move(grow)) {}
  void regions(std::vector<TrackedRegion>& out) override {
    TrackedRegion region;  // without a byte: its name carries the number
    region.name = kPrefix + std::to_string(size_);
    region.dtype = "bytes";
    out.push_back(std::move(region));
  }
  void adopt(const std::vector<std::string>& names) override {
    for (const auto& name : names) {
      if (!name.starts_with(kPrefix)) continue;
      if (name.size() > kPrefix.size() + kDigitsMax) {
        throw std::invalid_argument("the source has more parts than can be grown to");
      }
      const auto wanted = std::strtoull(name.c_str() + kPrefix.size(), nullptr, 10);
      while (size_ < wanted) {
        const auto before = size_;
        grow_();
        if (size_ <= before) throw std::logic_error("grow() did not count what it added");
      }
    }
  }

 private:
  inline static const std::string kPrefix = "size ";
  static constexpr std::size_t kDigitsMax = 5;
  const std::uint64_t& size_;
  const std::function<void()> grow_;
};

/// Tracks the number of parts of a thing that grows (see TrackedGrowth). `size` counts the parts
/// and must outlive the session. `grow` adds the next part and counts it in `size`: it is called in
/// a standby, on the training thread. A source may have up to 99999 parts: with more, or if `grow`
/// does not count, the migration fails. Track this before the thing that grows.
[[nodiscard]] inline std::unique_ptr<TrackedState> tracked_growth(const std::uint64_t& size,
                                                                  std::function<void()> grow) {
  return std::make_unique<TrackedGrowth>(size, std::move(grow));
}

}  // namespace cardswap
