// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/net_admin.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace flannel {

std::string missing_net_admin() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, &sets) != 0) return {};  // the kernel will report it later
  if ((sets[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0) return {};
  return "the capability CAP_NET_ADMIN is missing, without which devices, routes and rules cannot "
         "be made: run flanneld as root, in a container with --cap-add NET_ADMIN, in a unit with "
         "AmbientCapabilities=CAP_NET_ADMIN";
}

}  // namespace flannel
