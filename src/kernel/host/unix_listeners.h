// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

// The abstract Unix sockets (unix(7)) of this network namespace that somebody listens at and whose
// names begin with `prefix`; without the leading NUL. ErrorKind::unsupported: a kernel that does
// not tell.
struct UnixListener {
  std::string name;
  std::optional<uid_t> owner;  // of the socket; nothing: a kernel before 5.3
};
Result<std::vector<UnixListener>> unix_listeners(std::string_view prefix);

}  // namespace flannel
