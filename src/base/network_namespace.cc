// SPDX-License-Identifier: Apache-2.0
#include "base/network_namespace.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"

namespace flannel {

// Since 5.14 Linux numbers its network namespaces and never reuses a number in one boot. Older
// kernels only have an inode number, which a later namespace may get again.
Result<std::uint64_t> this_network_namespace() {
  const Fd any{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (any && ::getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0) {
    return cookie;
  }
  struct stat status {};
  if (::stat("/proc/thread-self/ns/net", &status) != 0) {
    return os_error("look at /proc/thread-self/ns/net");
  }
  return static_cast<std::uint64_t>(status.st_ino);
}

}  // namespace flannel
