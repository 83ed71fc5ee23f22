#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cardswap::test {

/// A user of this machine, made for a test and removed with its owner; without a home and a shell,
/// in a group of its own name.
class LocalUser {
 public:
  /// Why this process can make none, or nothing.
  [[nodiscard]] static std::optional<std::string> missing();

  /// `groups` are further ones that it is in. Throws std::runtime_error when useradd refuses.
  explicit LocalUser(std::vector<std::string> groups = {});
  ~LocalUser();
  LocalUser(const LocalUser&) = delete;
  LocalUser& operator=(const LocalUser&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] uid_t uid() const { return uid_; }
  [[nodiscard]] gid_t gid() const { return gid_; }
  /// The command that runs `argv` as this user, with its groups and nobody's rights.
  [[nodiscard]] std::vector<std::string> types(std::vector<std::string> argv) const;
  /// Runs `attempt` in a process of this user; what it returns (0 to 255) is its exit code. 255
  /// when it throws. No assertion of the test's framework is heard from there.
  [[nodiscard]] int does(const std::function<int()>& attempt) const;

 private:
  std::string name_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

/// A group that users can share, removed with its owner.
class LocalGroup {
 public:
  LocalGroup();
  ~LocalGroup();
  LocalGroup(const LocalGroup&) = delete;
  LocalGroup& operator=(const LocalGroup&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace cardswap::test
