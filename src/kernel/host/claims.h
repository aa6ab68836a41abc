// SPDX-License-Identifier: Apache-2.0
// One process of a network namespace does a thing, a second one is told who does it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// A claim is two things: the name of an abstract Unix socket (unix(7)), which a network namespace
// has for itself, as it has its devices and routes, and a lock in a file that root alone can open.
// Every user can have such a socket, so one counts only if root or our own user listens at it; the
// lock is seen only by those that see the same file. The kernel ends both with the process.
class Claims {
 public:
  // `folder`: root's, made when it is first needed; where it cannot be, the sockets are alone.
  explicit Claims(std::string folder) : folder_(std::move(folder)) {}

  // Claims `what` (at most 90 bytes; "flannel.1", "10.5.0.0/16") for as long as the descriptors are
  // open. ErrorKind::exists names the process that has it, or that has a network that overlaps the
  // network `what`.
  Result<std::vector<Fd>> claim(std::string_view what) const;

 private:
  std::string folder_;
};

// A flanneld that runs has claimed it, this process maybe.
bool is_claimed(std::string_view what);

}  // namespace flannel
