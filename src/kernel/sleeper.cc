// SPDX-License-Identifier: Apache-2.0
#include "kernel/sleeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace flannel {

Result<Sleeper> Sleeper::open() {
  Fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) return os_error("open an eventfd");
  return Sleeper{std::move(event)};
}

Wake Sleeper::wait(int fd) {
  pollfd fds[2] = {{fd, POLLIN, 0}, {event_.get(), POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0) {
    if (errno != EINTR) return Wake::gone;
  }
  if (fds[1].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(event_.get(), &count, sizeof count);
    return Wake::asked;
  }
  return (fds[0].revents & POLLIN) != 0 ? Wake::ready : Wake::gone;
}

void Sleeper::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = ::write(event_.get(), &one, sizeof one);
}

}  // namespace flannel
