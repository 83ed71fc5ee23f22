#include "migrator/tensors/exported_tensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap::tensors {
namespace {

constexpr std::string_view kGradient = "gradient of ";
constexpr std::string_view kModule = "module";  // the dtype of what tells about modules
constexpr std::string_view kRootModule = "(module)";
constexpr std::string_view kUnsaved = " (not in state_dict)";  // a buffer's name, then this

std::string_view thing_of(std::string_view name) { return name.substr(0, name.find('/')); }
std::string_view within_thing(std::string_view name) {
  const auto slash = name.find('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
}

std::size_t digits_at_end(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() &&
         std::isdigit(static_cast<unsigned char>(text[text.size() - 1 - count])) != 0) {
    ++count;
  }
  return count;
}

/// Takes ".7" off the end; false: there is no such end.
bool take_number(std::string_view& text) {
  const auto digits = digits_at_end(text);
  if (digits == 0 || digits == text.size()) return false;
  text.remove_suffix(digits);
  if (!text.ends_with('.')) return false;
  text.remove_suffix(1);
  return true;
}

/// Whether it is "exp_avg.0.3", or "exp_avg.0.3 [64]" where its shape is not the parameter's.
bool is_optimizers_name(std::string_view name) {
  name = name.substr(0, name.find(" ["));
  return take_number(name) && take_number(name) && !name.empty() &&
         name.find('.') == std::string_view::npos;
}

/// The names that an optimizer's marker of an added group may have besides.
bool is_optimizers_region(const Region& region) {
  return is_optimizers_name(within_thing(region.name)) || region.dtype == "parameter";
}

bool is_gradient(std::string_view name) { return within_thing(name).starts_with(kGradient); }

/// The buffers that their module does not save.
std::set<std::string_view> unsaved_in(const Layout& layout) {
  std::set<std::string_view> names;
  for (const auto& region : layout.regions()) {
    const std::string_view name = region.name;
    if (region.dtype == kModule && name.ends_with(kUnsaved)) {
      names.insert(name.substr(0, name.size() - kUnsaved.size()));
    }
  }
  return names;
}

bool contains(const std::vector<std::string>& all, std::string_view name) {
  return std::ranges::find(all, name) != all.end();
}

/// What a snapshot's names mean, and which of them an export has.
class Selection {
 public:
  Selection(const store::Manifest& manifest, const ExportScope& scope)
      : scope_(scope),
        optimizers_(optimizers_in(manifest.layout)),
        unsaved_(unsaved_in(manifest.layout)) {
    const auto modules = modules_in(manifest.layout);
    if (!scope.thing.empty()) {
      plain_ = scope.thing;
    } else if (modules.size() == 1) {
      plain_ = modules.front();
    }
  }

  /// Whether the export is about this thing at all.
  [[nodiscard]] bool concerns(std::string_view name) const {
    return scope_.thing.empty() || thing_of(name) == scope_.thing;
  }
  [[nodiscard]] bool has(std::string_view name) const {
    const bool is_asked_for = !scope_.thing.empty() || !contains(optimizers_, thing_of(name));
    return scope_.all || (is_asked_for && !is_gradient(name) && !unsaved_.contains(name));
  }
  [[nodiscard]] std::string name_of(std::string_view name) const {
    const auto inner = within_thing(name);
    return as_utf8(std::string(inner.empty() || thing_of(name) != plain_ ? name : inner));
  }

 private:
  const ExportScope& scope_;
  const std::vector<std::string> optimizers_;
  const std::set<std::string_view> unsaved_;  // the manifest has their bytes
  std::string plain_;                         ///< the thing whose tensors are called without it
};

}  // namespace

std::vector<std::string> modules_in(const Layout& layout) {
  std::vector<std::string> found;
  for (const auto& region : layout.regions()) {
    if (region.dtype != kModule || within_thing(region.name) != kRootModule) continue;
    found.emplace_back(thing_of(region.name));
  }
  return found;
}

std::vector<std::string> optimizers_in(const Layout& layout) {
  std::map<std::string_view, bool> things;
  for (const auto& region : layout.regions()) {
    if (is_gradient(region.name)) continue;
    const auto [thing, is_new] = things.emplace(thing_of(region.name), true);
    thing->second = thing->second && is_optimizers_region(region);
  }
  std::vector<std::string> found;
  for (const auto& [name, is_one] : things) {
    if (is_one) found.emplace_back(name);
  }
  return found;
}

ExportChoice choose_tensors(const store::Manifest& manifest, const ExportScope& scope) {
  const Selection selection(manifest, scope);
  ExportChoice choice;
  std::set<std::string> names{kMetadata};
  std::map<std::string, std::string> written;  // what stands for these elements in the export
  for (auto& one : listed_tensors(manifest)) {
    const auto full = one.entry.name;
    if (!selection.concerns(full)) continue;
    if (!selection.has(full)) {
      choice.left_out.push_back(full);
      continue;
    }
    one.entry.name = selection.name_of(full);
    if (!names.insert(one.entry.name).second) {
      throw Error(Code::refused,
                  fmt::format("two tensors would be called {}, as {} is", one.entry.name, full),
                  "export each thing by itself, with --thing");
    }
    one.entry.alias_of.clear();
    const auto [first, is_first] = written.emplace(elements_of(one.entry), one.entry.name);
    if (!is_first) choice.ties.emplace(one.entry.name, first->second);
    if (is_first || scope.untie) choice.tensors.push_back(std::move(one));
  }
  if (choice.tensors.empty() && choice.left_out.empty() && !scope.thing.empty()) {
    std::set<std::string_view> things;
    for (const auto& region : manifest.layout.regions()) things.insert(thing_of(region.name));
    throw Error(Code::not_found, fmt::format("the snapshot has no tensor of '{}'", scope.thing),
                fmt::format("it has those of {}", fmt::join(things, ", ")));
  }
  return choice;
}

}  // namespace cardswap::tensors
