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

/// The agent's end of one runtime's connection, with messages that a test sends and receives. One
/// thread.
class RuntimeLine {
 public:
  explicit RuntimeLine(int fd) : fd_(fd) {}
  ~RuntimeLine() { close(); }
  RuntimeLine(RuntimeLine&& other) noexcept;
  RuntimeLine& operator=(RuntimeLine&&) = delete;

  void say(const channel::Message& message) const;
  /// The next message of one kind. Other kinds are skipped; a Failed that is not asked for is
  /// thrown as std::runtime_error. Waits as next() does.
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
  /// The next message. Throws std::runtime_error if none comes within 20 s, times kPatience, or if
  /// the runtime closes the connection.
  [[nodiscard]] channel::Message next();
  void close();

 private:
  int fd_;
  channel::FrameReader frames_;
};

/// Listens where runtimes look for their agent, and leaves the messages to the test.
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
  /// Waits for the next runtime, reads its Hello and answers it with `welcome`.
  [[nodiscard]] Attached attach(const channel::Welcome& welcome) { return answer(welcome); }
  /// Waits for the next runtime and reads its Hello, without an answer.
  [[nodiscard]] Attached hear();
  /// Waits for the next runtime, reads its Hello and answers it with `said`.
  Attached answer(const channel::Message& said);
  /// Waits for the next runtime and closes its connection without reading.
  void turn_away() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
  int fd_;
};

}  // namespace cardswap::test
