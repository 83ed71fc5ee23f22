#include "tests/recipes/recipe.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace recipes {
namespace {

void append(const std::string& path, const std::string& line) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "a"),
                                                             &std::fclose);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::fputs((line + "\n").c_str(), file.get());
}

std::string exact(double value) {
  char text[64];
  std::snprintf(text, sizeof(text), "%a", value);
  return text;
}

}  // namespace

void Options::add_to(CLI::App& app) {
  app.add_option("recipe", recipe, "Which")->required();
  app.add_option("--loss-log", loss_log, "File to append losses to")->required();
  app.add_option("--finish", finish, "File that ends the run once it is there");
  app.add_option("--forget", forget, "Tracked thing to leave out");
  app.add_option("--steps", steps, "Steps to train");
  app.add_option("--step-ms", step_ms, "At least as long takes a step");
}

void Run::log(double loss) {
  if (!session.is_standby()) {
    append(loss_log(), "step " + std::to_string(step) + " loss " + exact(loss));
  }
  pace();
}

void Run::pace() {
  if (session.is_standby()) return;
  if (!options_.finish.empty() && std::filesystem::exists(options_.finish)) steps = step + 1;
  std::this_thread::sleep_for(std::chrono::milliseconds(options_.step_ms));
}

int Run::finished() {
  append(loss_log(), "digest " + session.state_digest());
  return 0;
}

}  // namespace recipes
