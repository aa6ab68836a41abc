// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace flannel {

// Locks that give one process of a network namespace exclusive use of a network or a device. Each
// lock has two parts: the name of an abstract Unix socket (unix(7)), which is unique in a network
// namespace, and a lock in a file that only root can open. Any user can bind such a name, so it
// counts only if root or our own user listens at it; the file lock works only between processes
// that see the same file. The kernel releases both when the process ends.
class HostLocks {
 public:
  // `folder` belongs to root and is created when it is first needed. If it cannot be created, the
  // socket names are the only locks.
  explicit HostLocks(std::string folder) : folder_(std::move(folder)) {}

  // Locks `what` (at most 90 bytes; "flannel.1", "10.5.0.0/16") until the descriptors are closed.
  // ErrorKind::exists: another process has the lock, or a lock on a network that overlaps `what`;
  // the text names that process.
  Result<std::vector<Fd>> acquire(std::string_view what) const;

 private:
  std::string folder_;
};

// True if a running flanneld, which may be this process, has the lock on `what`.
bool is_locked_by_daemon(std::string_view what);

}  // namespace flannel
