// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace flannel {

Result<void> write_sysctl(const std::string& name, std::string_view value) {
  const std::string path = "/proc/sys/" + name;
  const Fd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd) return os_error("open " + path);
  ssize_t written = 0;
  do {
    written = ::write(fd.get(), value.data(), value.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return os_error("write " + path);
  // A value that was written in part is a wrong value.
  if (static_cast<std::size_t>(written) != value.size()) {
    return fail(ErrorKind::system, "write " + path + ": cut short");
  }
  return {};
}

}  // namespace flannel
