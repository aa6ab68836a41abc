// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/charon_rights.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace flannel {
namespace {

// A program that is run can get the capability, also with no_new_privs.
bool is_passed_on(int capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, &sets) != 0) return true;  // charon will report it
  return (sets[CAP_TO_INDEX(capability)].permitted & CAP_TO_MASK(capability)) != 0 &&
         ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
}

}  // namespace

std::string missing_charon_rights() {
  // For its sockets of UDP port 500, and for that of VICI, without which it does not open it.
  const bool has_all =
      is_passed_on(CAP_NET_ADMIN) && is_passed_on(CAP_NET_BIND_SERVICE) && is_passed_on(CAP_CHOWN);
  if (has_all) return {};
  return "flanneld cannot start charon without the capabilities CAP_NET_BIND_SERVICE and CAP_CHOWN";
}

}  // namespace flannel
