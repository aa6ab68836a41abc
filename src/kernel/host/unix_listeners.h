// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flannel {

// The listening abstract Unix sockets (unix(7)) of this network namespace whose names, without the
// leading NUL, begin with `prefix`. ErrorKind::unsupported: the kernel cannot list them.
struct UnixListener {
  std::string name;
  std::optional<uid_t> owner;  // of the socket; nullopt: a kernel before 5.3
};
Result<std::vector<UnixListener>> unix_listeners(std::string_view prefix);

}  // namespace flannel
