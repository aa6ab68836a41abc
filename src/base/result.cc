// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace flannel {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid:
      return "invalid";
    case ErrorKind::not_found:
      return "not found";
    case ErrorKind::exists:
      return "exists";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::denied:
      return "denied";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::exhausted:
      return "exhausted";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::system:
      return "system";
  }
  return "unknown";
}

Error Error::during(std::string_view what) && {
  text.insert(0, ": ").insert(0, what);
  return std::move(*this);
}

Failure fail(ErrorKind kind, std::string text) {
  return Failure(Error{kind, std::move(text)});
}

ErrorKind kind_of_errno(int code) {
  switch (code) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case EADDRNOTAVAIL:
      return ErrorKind::not_found;
    case EEXIST:
    case EADDRINUSE:
      return ErrorKind::exists;
    case EPERM:
    case EACCES:
      return ErrorKind::denied;
    case EINVAL:
    case ERANGE:
      return ErrorKind::invalid;
    case EAGAIN:
    case ETIMEDOUT:
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH:
      return ErrorKind::unavailable;
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EMFILE:
      return ErrorKind::exhausted;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
      return ErrorKind::unsupported;
    default:
      return ErrorKind::system;
  }
}

Failure os_error(std::string_view what) {
  return os_error(what, errno);
}

Failure os_error(std::string_view what, int code) {
  Error error{kind_of_errno(code), std::system_category().message(code)};
  return Failure(std::move(error).during(what));
}

}  // namespace flannel
