#include "migrator/tensors/exported_tensors.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"
#include "migrator/core/shared_tensor.h"

namespace cardswap::tensors {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

Region memory(const std::string& name, const std::string& shape = "[2]") {
  return {name, "Float", shape, 8, 0};
}
Region shared(const std::string& name, const std::string& of) {
  return {name, kSharedTensor, "Float [2] of " + of, 0, 0};
}
Region module(const std::string& name) { return {name, "module", "Net", 0, 0}; }

store::Manifest manifest_of(std::vector<Region> regions) {
  store::Manifest manifest;
  manifest.layout = Layout(std::move(regions));
  manifest.tensors = tensors_of(manifest.layout);
  return manifest;
}

/// A model with a tied weight and a buffer that is not saved, its optimizer and its gradients.
store::Manifest trained() {
  return manifest_of({memory("model/emb.weight"), memory("model/rope.cache"),
                      shared("model/head.weight", "model/emb.weight"), module("model/(module)"),
                      module("model/rope (module)"), module("model/rope.cache (not in state_dict)"),
                      memory("adam/exp_avg.0.0"), memory("model/gradient of emb.weight")});
}

std::vector<std::string> names_of(const ExportChoice& choice) {
  std::vector<std::string> names;
  for (const auto& one : choice.tensors) names.push_back(one.entry.name);
  return names;
}
std::vector<std::string> exported(const store::Manifest& manifest, const ExportScope& scope = {}) {
  return names_of(choose_tensors(manifest, scope));
}

TEST(ExportedTensors, AreCalledAsTheModelsStateDictCallsThem) {
  const auto choice = choose_tensors(trained(), {});
  EXPECT_THAT(names_of(choice), ElementsAre("emb.weight"));
  EXPECT_THAT(choice.ties, ElementsAre(Pair("head.weight", "emb.weight")));
  EXPECT_THAT(choice.left_out,
              ElementsAre("model/rope.cache", "adam/exp_avg.0.0", "model/gradient of emb.weight"));
}

TEST(ExportedTensors, AreWrittenEachIfTheyAreUntied) {
  const auto choice = choose_tensors(trained(), {.untie = true});
  EXPECT_THAT(names_of(choice), ElementsAre("emb.weight", "head.weight"));
  EXPECT_THAT(choice.ties, ElementsAre(Pair("head.weight", "emb.weight")));
}

TEST(ExportedTensors, AreAllIfAllAreAskedFor) {
  EXPECT_THAT(
      exported(trained(), {.all = true}),
      ElementsAre("emb.weight", "rope.cache", "adam/exp_avg.0.0", "gradient of emb.weight"));
}

TEST(ExportedTensors, OfSeveralModelsHaveTheirNamesInFront) {
  const auto two =
      manifest_of({memory("actor/w"), module("actor/(module)"), memory("critic/w"),
                   module("critic/(module)"), shared("critic/tied", "actor/w"), memory("noise")});
  EXPECT_THAT(modules_in(two.layout), ElementsAre("actor", "critic"));
  EXPECT_THAT(exported(two), ElementsAre("actor/w", "critic/w", "noise"));
  EXPECT_THAT(exported(two, {.thing = "critic"}), ElementsAre("w", "tied"))
      << "what it is tied to is not in this export";
}

TEST(ExportedTensors, OfAnOptimizerAreThoseThatWereAskedFor) {
  EXPECT_THAT(exported(trained(), {.thing = "adam"}), ElementsAre("exp_avg.0.0"));
}

TEST(ExportedTensors, OfAThingThatIsNotThereAreRefusedWithThoseThatAre) {
  try {
    (void)choose_tensors(trained(), {.thing = "modle"});
    FAIL() << "it was chosen";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_THAT(error.failure(), HasSubstr("'modle'"));
    EXPECT_THAT(error.hint(), HasSubstr("adam, model"));
  }
}

TEST(ExportedTensors, OfOneNameAreRefused) {
  const auto both = manifest_of({memory("model/w"), module("model/(module)"), memory("w")});
  try {
    (void)choose_tensors(both, {});
    FAIL() << "they were chosen";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
    EXPECT_THAT(error.hint(), HasSubstr("--thing"));
  }
  EXPECT_THAT(exported(both, {.thing = "w"}), ElementsAre("w"));
}

/// A table of a store may call a tensor an alias that has other elements.
TEST(ExportedTensors, AreNotTiedByAWordAlone) {
  auto manifest = manifest_of({memory("model/w", "[1, 2]"), module("model/(module)")});
  manifest.tensors.push_back({"model/t", RegionId{0}, 4, "Float", {1}, {1}, "model/w"});
  const auto choice = choose_tensors(manifest, {});
  EXPECT_THAT(names_of(choice), UnorderedElementsAre("w", "t"));
  EXPECT_THAT(choice.ties, IsEmpty());
}

}  // namespace
}  // namespace cardswap::tensors
