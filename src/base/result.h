// SPDX-License-Identifier: Apache-2.0
// Failures are values. Their text says what was being done to which object, and why it failed.
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
  conflict,     // another process changed the object since it was read
  denied,       // no permission or bad credentials
  unavailable,  // the other side cannot be reached or did not answer in time; try again
  exhausted,    // no free subnet, no memory, no disk
  unsupported,  // this kernel, store or build cannot do it
  system,       // any other failure of the operating system
};

// Returns `kind` in words, for example "not found".
std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::system;
  std::string text;

  // Prepends what was being done: Error{..., "Operation not permitted"}.during("create flannel.1")
  // has the text "create flannel.1: Operation not permitted".
  Error during(std::string_view what) &&;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

Failure fail(ErrorKind kind, std::string text);

// Makes a failure from errno. `what` says what failed, for example "open /dev/net/tun".
Failure os_error(std::string_view what);
// Makes the same from a saved or received errno value, for example of a netlink ack; `code` is
// positive.
Failure os_error(std::string_view what, int code);
ErrorKind kind_of_errno(int code);

// What TRY evaluates to: the value, or void for Result<void>.
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

// Does the same and prepends `what` to the error.
#define TRY_DURING(expression, what)                                                  \
  __extension__({                                                                     \
    auto try_result = (expression);                                                   \
    if (!try_result)                                                                  \
      return ::tl::unexpected(std::move(std::move(try_result).error()).during(what)); \
    ::flannel::unwrap(std::move(try_result));                                         \
  })

}  // namespace flannel
