#include <cardswap/torch.h>

#include <algorithm>
#include <sstream>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "runtime/torch/gradients.h"
#include "runtime/torch/tensor.h"

namespace cardswap {
namespace {

constexpr const char* kModule = "module";
constexpr std::size_t kDescriptionBytesMax = 4096;

/// What a module says of itself: its type and the hyper-parameters that it prints.
std::string description_of(const torch::nn::Module& module) {
  std::ostringstream text;
  module.pretty_print(text);
  return text.str().substr(0, kDescriptionBytesMax);
}

/// Regions without bytes pin what each module is, so that another one is refused by name before
/// anything is sent. What a module prints may change in mid-run: it is compared again with the
/// values.
class TrackedModule final : public TrackedState {
 public:
  explicit TrackedModule(torch::nn::Module& module)
      : module_(module), gradients_([&module] {
          std::vector<std::pair<std::string, at::Tensor>> all;
          for (auto& item : module.named_parameters()) all.emplace_back(item.key(), item.value());
          return all;
        }) {}

  void regions(std::vector<TrackedRegion>& out) override {
    for (const auto& item : module_.named_parameters())
      append_storage(out, item.key(), item.value());
    for (const auto& item : module_.named_buffers()) append_storage(out, item.key(), item.value());
    if (descriptions_.empty()) describe();
    for (const auto& [name, text] : descriptions_) {
      TrackedRegion region;
      region.name = name;
      region.dtype = kModule;
      region.shape = text;
      out.push_back(std::move(region));
    }
  }
  void scratch(std::vector<TrackedRegion>& out) override {
    for (const auto& item : module_.named_parameters()) {
      const auto& gradient = item.value().grad();
      if (!gradient.defined() || gradient.layout() != at::kStrided) continue;
      append_storage(out, "gradient of " + item.key(), gradient);
    }
  }

  std::vector<std::byte> save() override {
    wire::WireWriter writer;
    const auto parameters = module_.named_parameters();
    writer.u32(static_cast<std::uint32_t>(parameters.size()));
    for (const auto& item : parameters) writer.boolean(item.value().requires_grad());
    const auto all = modules();
    writer.u32(static_cast<std::uint32_t>(all.size()));
    for (const auto& [name, module] : all) {
      writer.boolean(module->is_training()).string(description_of(*module));
    }
    return std::move(writer).take();
  }
  void load(std::span<const std::byte> bytes) override {
    wire::WireReader reader(bytes);
    auto parameters = module_.named_parameters();
    if (reader.u32() != parameters.size()) {
      throw std::invalid_argument("the other side has another number of parameters");
    }
    for (auto& item : parameters) {
      const bool wanted = reader.boolean();
      if (item.value().requires_grad() != wanted) item.value().set_requires_grad(wanted);
    }
    const auto all = modules();
    if (reader.u32() != all.size()) {
      throw std::invalid_argument("the other side has another number of modules");
    }
    for (const auto& [name, module] : all) {
      const bool training = reader.boolean();
      const auto theirs = reader.string(kDescriptionBytesMax);
      if (const auto ours = description_of(*module); theirs != ours) {
        throw std::invalid_argument(name + " is " + theirs + " on the source and " + ours +
                                    " on the target");
      }
      // It hands it on to its children, who come later here.
      if (module->is_training() != training) module->train(training);
    }
    reader.finish();
  }
  void look(std::vector<TrackedObstacle>& /*obstacles*/) override { describe(); }

  [[nodiscard]] TrackedGradients* gradients() override { return &gradients_; }
  [[nodiscard]] std::string kind() const override { return kModule; }

 private:
  void describe() {
    descriptions_.clear();
    for (const auto& [name, module] : modules()) {
      descriptions_.emplace_back(name, description_of(*module));
    }
  }
  /// Itself first: it need not be owned by a shared pointer.
  std::vector<std::pair<std::string, torch::nn::Module*>> modules() {
    std::vector<std::pair<std::string, torch::nn::Module*>> all{{"(module)", &module_}};
    for (const auto& item : module_.named_modules({}, false)) {
      all.emplace_back(item.key() + " (module)", item.value().get());
    }
    return all;
  }

  torch::nn::Module& module_;
  Gradients gradients_;
  std::vector<std::pair<std::string, std::string>> descriptions_;
};

}  // namespace

std::unique_ptr<TrackedState> tracked_module(torch::nn::Module& module) {
  return std::make_unique<TrackedModule>(module);
}

}  // namespace cardswap
