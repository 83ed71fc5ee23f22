#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "migrator/wire/frame_reader.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap::test {

/// The agent's end of one runtime's connection, said and heard by a test. One thread.
class RuntimeLine {
 public:
  explicit RuntimeLine(int fd) : fd_(fd) {}
  ~RuntimeLine() { close(); }
  RuntimeLine(RuntimeLine&& other) noexcept;
  RuntimeLine& operator=(RuntimeLine&&) = delete;

  void say(const channel::Message& message) const;
  /// The next message of one kind; others are passed over, a Failed throws unless it is asked for.
  template <class Kind>
  [[nodiscard]] Kind hear() {
    while (true) {
      const auto message = next();
      if (const auto* wanted = std::get_if<Kind>(&message)) return *wanted;
      if (const auto* failed = std::get_if<channel::Failed>(&message)) {
        throw std::runtime_error("Failed: " + failed->failure + " (" + failed->hint + ")");
      }
    }
  }
  /// Throws when nothing comes for 20 s, or the runtime closes.
  [[nodiscard]] channel::Message next();
  void close();

 private:
  int fd_;
  channel::FrameReader frames_;
};

/// Listens where runtimes look for their agent and leaves what is said to the test.
class ScriptedAgent {
 public:
  explicit ScriptedAgent(std::string path);
  ~ScriptedAgent();
  ScriptedAgent(const ScriptedAgent&) = delete;
  ScriptedAgent& operator=(const ScriptedAgent&) = delete;

  struct Attached {
    RuntimeLine line;
    channel::Hello hello;
  };
  /// The next one that connects, welcomed.
  [[nodiscard]] Attached attach(const channel::Welcome& welcome) { return answer(welcome); }
  /// The next one that connects, its Hello heard and not answered.
  [[nodiscard]] Attached hear();
  /// The next one that connects, with its Hello answered by `said`.
  Attached answer(const channel::Message& said);
  /// Lets go of the next one that connects, and hears nothing of it.
  void turn_away() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
  int fd_;
};

}  // namespace cardswap::test
