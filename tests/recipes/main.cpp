// Runs one of the guide's recipes.

#include <ATen/Context.h>

#include <iostream>
#include <map>

#include "tests/recipes/recipe.h"

int main(int argc, char** argv) try {
  static const std::map<std::string, recipes::Recipe> kRecipes{
      {"loose_tensors", recipes::loose_tensors},
      {"generators", recipes::generators},
      {"schedules", recipes::schedules},
      {"own_type", recipes::own_type},
      {"loader", recipes::loader},
      {"logging", recipes::logging},
      {"accumulation", recipes::accumulation},
      {"average", recipes::average},
      {"two_optimizers", recipes::two_optimizers},
      {"masters", recipes::masters},
      {"growing_groups", recipes::growing_groups},
      {"lbfgs", recipes::lbfgs}};
  recipes::Options options;
  CLI::App app("Runs one of the guide's recipes");
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  at::manual_seed(1);  // two runs of one recipe are one run
  recipes::Run run(options);
  return kRecipes.at(options.recipe)(run);
} catch (const std::exception& error) {
  std::cerr << "recipes: " << error.what() << "\n";
  return 1;
}
