// SPDX-License-Identifier: Apache-2.0
#include "daemon/process_limits.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace flannel {

Result<void> raise_descriptor_limit(std::uint64_t least) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return os_error("ask for the limit on descriptors");
  if (limit.rlim_max < least) {
    return fail(
        ErrorKind::exhausted,
        fmt::format("this process may open {} files, and flanneld needs {}: raise the limit "
                    "(ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of Docker)",
                    limit.rlim_max, least));
  }
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return os_error("raise the limit on descriptors");
  return {};
}

bool allow_niceness(int nice) {
  const auto needed = static_cast<rlim_t>(20 - nice);  // setrlimit(2)
  rlimit limit{};
  if (::getrlimit(RLIMIT_NICE, &limit) != 0) return false;
  if (limit.rlim_cur >= needed) return true;
  limit.rlim_cur = needed;
  limit.rlim_max = std::max(limit.rlim_max, needed);
  return ::setrlimit(RLIMIT_NICE, &limit) == 0;
}

}  // namespace flannel
