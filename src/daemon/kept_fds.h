// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace flannel {

// Descriptors that an earlier run of ours left with the service manager (systemd's FDSTORE), by
// the name they were left under. What nobody takes is closed with this.
class KeptFds {
 public:
  // Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and removes them so that no child believes
  // they are its own. Before anything else opens a descriptor.
  static KeptFds from_environment();

  // `names` is "a:b:a", one for each descriptor from `first` on; nothing unless all is well-formed.
  static KeptFds parse(std::string_view count, std::string_view names, int first);

  // All that were left under `name`, in their order; none the second time.
  std::vector<Fd> take(std::string_view name);

 private:
  std::multimap<std::string, Fd, std::less<>> fds_;
};

}  // namespace flannel
