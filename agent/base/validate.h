#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "migrator/base/error.h"

/// Checks of text and numbers that other agents, jobs and API callers send. Every value is checked
/// here before the agent stores or logs it, or makes a path or a call of it. Pure. The functions
/// that return the value throw Error{bad_request} for a bad one; the error names the field and
/// never repeats the value.
namespace cardswap::validate {

inline constexpr std::size_t kWordMax = 255;   ///< bytes of the name of a device, user or host
inline constexpr std::size_t kLineMax = 1000;  ///< bytes of a line for people
inline constexpr std::size_t kPathMax = 4095;  ///< bytes of a path: PATH_MAX without the NUL
inline constexpr std::size_t kArgumentMax = 131'071;     ///< of an argument: MAX_ARG_STRLEN, no NUL
inline constexpr std::size_t kArgumentsMax = 16'384;     ///< number of arguments and variables
inline constexpr std::uint64_t kBytesMax = 1ULL << 56U;  ///< no device and no file is larger
/// The highest epoch that is accepted. No job is granted so often, and a host that believed a
/// higher epoch would refuse the job for ever.
inline constexpr std::uint64_t kEpochMax = 1'000'000'000'000'000;
inline constexpr std::uint64_t kStepMax = 1ULL << 53U;  ///< what JSON's readers take without loss

/// Whether `text` is UTF-8 of at most `most` bytes without characters that printable() escapes: it
/// may be put in a line of a log or a table.
[[nodiscard]] bool is_line(std::string_view text, std::size_t most = kLineMax);
/// Whether `text` has 1 to `most` bytes, all of them visible ASCII characters (no blanks).
[[nodiscard]] bool is_word(std::string_view text, std::size_t most = kWordMax);
/// Whether `text` is "m-" and 8 to 32 of 0-9 and a-f, as Migrations makes it. It becomes a part of
/// file names.
[[nodiscard]] bool is_migration_id(std::string_view text);
/// Whether `text` may be a job's name: 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or a
/// digit first. It is safe as a file's name.
[[nodiscard]] bool is_job_name(std::string_view text);
/// Whether `text` may name a device or a host in a program's arguments or environment: 1 to 255 of
/// letters, digits and ". _ : - [ ] % /", with neither '-' nor '.' first.
[[nodiscard]] bool is_device_or_host(std::string_view text);
/// Whether `text` is 32 of 0-9 and a-f, as JobList makes a job's uid.
[[nodiscard]] bool is_job_uid(std::string_view text);
/// Whether `text` may be one string of execve(): any bytes except NUL, up to the kernel's limit.
[[nodiscard]] bool is_argument(std::string_view text);
/// Whether `name` may be the name of an environment variable.
[[nodiscard]] bool is_variable(std::string_view name);
/// Whether `text` is a path: no NUL, up to the kernel's limit. Empty is allowed, and so is any
/// other byte, because a job's folder may have any name.
[[nodiscard]] bool is_path(std::string_view text);

/// Whether `text` is the address of a store: "file:" and an absolute path without control
/// characters and without "..".
[[nodiscard]] bool is_store(std::string_view text);

/// Throws Error{bad_request} "'what' is no `kind`", unless `right`.
void check(bool right, std::string_view what, std::string_view kind);

// Each returns `text` if it is valid, and throws Error{bad_request} otherwise; `what` is the
// field's name. `..._or_none` accepts an empty text.
[[nodiscard]] std::string line(std::string_view what, std::string text,
                               std::size_t most = kLineMax);
[[nodiscard]] std::string word_or_none(std::string_view what, std::string text,
                                       std::size_t most = kWordMax);
[[nodiscard]] std::string migration_id(std::string_view what, std::string text);
[[nodiscard]] std::string path_or_none(std::string_view what, std::string text);

/// `number` as a whole number; fractions are cut off. Throws Error{bad_request} unless it is from 0
/// to `most` (NaN is not).
[[nodiscard]] std::uint64_t count(std::string_view what, double number,
                                  std::uint64_t most = kBytesMax);

}  // namespace cardswap::validate
