#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "migrator/base/error.h"

/// Checks of text and numbers that other agents, jobs and API callers send. Every value passes here
/// before the agent trusts, stores or logs it, or builds a path or another call of it. Pure. A bad
/// value is an Error{bad_request} that names the field and never repeats the value.
namespace cardswap::validate {

inline constexpr std::size_t kWordMax = 255;             ///< bytes of a device, user or host
inline constexpr std::size_t kLineMax = 1000;            ///< of a line for people
inline constexpr std::size_t kPathMax = 4095;            ///< PATH_MAX without its end
inline constexpr std::size_t kArgumentMax = 131'071;     ///< MAX_ARG_STRLEN without its end
inline constexpr std::size_t kArgumentsMax = 16'384;     ///< how many of them, environment too
inline constexpr std::uint64_t kBytesMax = 1ULL << 56U;  ///< no device and no file is larger
/// Highest epoch that is accepted. No job is granted so often, and a host that believed a higher
/// one would refuse the job for ever.
inline constexpr std::uint64_t kEpochMax = 1'000'000'000'000'000;

/// Whether `text` is UTF-8 without control characters (C1 and those that turn the direction of text
/// included), of at most `most` bytes: what may stand in a line of a log or a table.
[[nodiscard]] bool is_line(std::string_view text, std::size_t most = kLineMax);
/// Whether `text` is ASCII that can be seen, without blanks, at most `most` bytes and not none.
[[nodiscard]] bool is_word(std::string_view text, std::size_t most = kWordMax);
/// Whether `text` is "m-" and 8 to 32 of 0-9 and a-f: as Migrations makes it. It becomes a part of
/// file names.
[[nodiscard]] bool is_migration_id(std::string_view text);
/// Whether a job may be called so: 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or a digit
/// first.
[[nodiscard]] bool is_job_name(std::string_view text);
/// Whether a device or a host may be called so where it becomes a program's argument or
/// environment: at most 255 of letters, digits and ". _ : - [ ] % /", and neither '-' nor '.'
/// first.
[[nodiscard]] bool is_device_or_host(std::string_view text);
/// Whether `text` is 32 of 0-9 and a-f: as Jobs makes it.
[[nodiscard]] bool is_job_uid(std::string_view text);
/// Whether `text` is one string for execve: any bytes but NUL, up to the kernel's limit.
[[nodiscard]] bool is_argument(std::string_view text);
/// Whether `name` may stand before the '=' of an environment variable.
[[nodiscard]] bool is_variable(std::string_view name);
/// Whether `text` is a path: no NUL, up to the kernel's limit; empty is allowed. A job's own folder
/// may have any other byte in its name.
[[nodiscard]] bool is_path(std::string_view text);

/// Whether `text` says where a store is: "file:" and a path from the root on, without control
/// characters and "..".
[[nodiscard]] bool is_store(std::string_view text);

/// Throws that 'what' is no `kind`, unless `right`.
void check(bool right, std::string_view what, std::string_view kind);

// The text itself where it is right; `what` is the field's name.
[[nodiscard]] std::string line(std::string_view what, std::string text,
                               std::size_t most = kLineMax);
[[nodiscard]] std::string word_or_none(std::string_view what, std::string text,
                                       std::size_t most = kWordMax);
[[nodiscard]] std::string migration_id(std::string_view what, std::string text);
[[nodiscard]] std::string path_or_none(std::string_view what, std::string text);

/// A number from 0 to `most` as whole number. Throws for NaN, fractions are cut.
[[nodiscard]] std::uint64_t count(std::string_view what, double number,
                                  std::uint64_t most = kBytesMax);

}  // namespace cardswap::validate
