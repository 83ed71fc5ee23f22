#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cardswap::test {

/// Plays another agent: on a port of this machine and a thread of its own, it answers every request
/// as a script says. Its answers may be anything: another release's, a proxy's, a liar's.
class ScriptedPeer {
 public:
  struct Asked {
    std::string method;
    std::string target;
    std::string body;
    std::string protocol = {};  ///< its Cardswap-Protocol header; empty: it has none
  };
  struct Answer {
    std::string body;
    unsigned status = 200;
    std::chrono::milliseconds delay{0};
    /// The connection is closed after this many bytes of the answer, header included.
    std::optional<std::size_t> cut_after = std::nullopt;
  };
  /// Called on the peer's thread, one request at a time.
  using Script = std::function<Answer(const Asked&)>;

  explicit ScriptedPeer(Script script);
  ~ScriptedPeer();
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string address() const;  ///< "127.0.0.1:4711"
  [[nodiscard]] std::string at(const std::string& device) const;
  /// Uses `script` from the next request on.
  void follow(Script script);
  [[nodiscard]] std::size_t exchanges() const;
  /// The latest requests, oldest first; at most 1000.
  [[nodiscard]] std::vector<Asked> asked() const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace cardswap::test
