// SPDX-License-Identifier: Apache-2.0
// A failure is a value: what was being done to which object, and why it failed.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace flannel {

// What a caller can do about a failure. The text is for people, the kind is for code.
enum class ErrorKind {
  invalid,      // the input is wrong; the same call fails again
  not_found,    // the object is not there
  exists,       // the object is already there
  conflict,     // somebody else changed it since it was read
  denied,       // no permission or bad credentials
  unavailable,  // the other side cannot be reached or did not answer in time; try again
  exhausted,    // no free subnet, no memory, no disk
  unsupported,  // this kernel, store or build cannot do it
  system,       // any other failure of the operating system
};

// `kind` in words, for example "not found".
std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::system;
  std::string text;

  // Puts what was being done in front of why it failed:
  // Error{..., "Operation not permitted"}.during("create flannel.1").
  Error during(std::string_view what) &&;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

Failure fail(ErrorKind kind, std::string text);

// The failure of the system call that has just set errno, named `what` ("open /dev/net/tun").
Failure os_error(std::string_view what);
// The same for an errno value that was kept or received (netlink acks); `code` is positive.
Failure os_error(std::string_view what, int code);
ErrorKind kind_of_errno(int code);

// What TRY hands on: the value, or nothing for Result<void>.
template <typename T>
T unwrap(Result<T>&& result) {
  return *std::move(result);
}
inline void unwrap(Result<void>&&) {}

// Unwraps a Result or returns its error from the enclosing function. Not nestable.
#define TRY(expression)                                                      \
  __extension__({                                                            \
    auto try_result = (expression);                                          \
    if (!try_result) return ::tl::unexpected(std::move(try_result).error()); \
    ::flannel::unwrap(std::move(try_result));                                \
  })

// The same, saying what was being done.
#define TRY_DURING(expression, what)                                                  \
  __extension__({                                                                     \
    auto try_result = (expression);                                                   \
    if (!try_result)                                                                  \
      return ::tl::unexpected(std::move(std::move(try_result).error()).during(what)); \
    ::flannel::unwrap(std::move(try_result));                                         \
  })

}  // namespace flannel
