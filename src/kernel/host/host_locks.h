// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
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

  // Locks `what` (at most 90 bytes; "flannel.1", "10.5.0.0/16") until the descriptors are closed,
  // for the network `owner` of this process; empty: it has no name. ErrorKind::exists: another
  // process, or another network of this one, has the lock, or a lock on a network that overlaps
  // `what`; the text names it.
  Result<std::vector<Fd>> acquire(std::string_view what, const std::string& owner = {});

 private:
  std::optional<std::string> own_holder(std::string_view what, pid_t holder) const;
  Failure taken(std::string_view what) const;
  Result<std::optional<Fd>> take_name(std::string_view what) const;
  Result<void> check_overlaps(std::string_view what) const;

  std::string folder_;
  // The networks of this process that took each lock last, and may have given it up since.
  std::map<std::string, std::string, std::less<>> owners_;
};

// True if a running flanneld, which may be this process, has the lock on `what`.
bool is_locked_by_daemon(std::string_view what);

}  // namespace flannel
