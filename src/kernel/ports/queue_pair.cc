// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/queue_pair.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "kernel/ports/tun_port.h"

namespace flannel {
namespace {

class PollWaiter final : public QueueWaiter {
 public:
  // The descriptors of the ports outlive the waiter.
  PollWaiter(int tun, int udp, Fd event) : tun_(tun), udp_(udp), event_(std::move(event)) {}

  // Returns `gone` if a descriptor reports an error that a read does not clear, even if others are
  // ready.
  Wake wait(bool tun_too) override {
    pollfd fds[3] = {{event_.get(), POLLIN, 0}, {udp_, POLLIN, 0}, {tun_, POLLIN, 0}};
    while (::poll(fds, tun_too ? 3 : 2, -1) < 0) {
      if (errno != EINTR) return Wake::gone;
    }
    if ((fds[2].revents & ~POLLIN) != 0) return Wake::gone;
    if (fds[0].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t size = ::read(event_.get(), &count, sizeof count);
      return Wake::asked;
    }
    return ((fds[1].revents | fds[2].revents) & POLLIN) != 0 ? Wake::ready : Wake::gone;
  }

  void wake() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = ::write(event_.get(), &one, sizeof one);
  }

 private:
  int tun_;
  int udp_;
  Fd event_;
};

}  // namespace

Result<QueuePair> open_queue_pair(Fd queue, TunAbilities tun, Fd socket, UdpAbilities udp) {
  Fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) return os_error("open an eventfd");
  auto waiter = std::make_unique<PollWaiter>(queue.get(), socket.get(), std::move(event));
  return QueuePair{std::make_unique<TunQueuePort>(std::move(queue), tun),
                   std::make_unique<UdpSocketPort>(std::move(socket), udp), std::move(waiter)};
}

}  // namespace flannel
