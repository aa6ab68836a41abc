// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/queue_pair.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "kernel/ports/tun_port.h"

namespace flannel {
namespace {

class PollWaiter final : public QueueWaiter {
 public:
  // The descriptors of the ports outlive the waiter.
  PollWaiter(int tun, const std::vector<UdpSocket>& sockets, Fd event) : event_(std::move(event)) {
    fds_.push_back({event_.get(), POLLIN, 0});
    for (const UdpSocket& socket : sockets)
      fds_.push_back({socket.fd.get(), POLLIN, 0});
    fds_.push_back({tun, POLLIN, 0});
  }

  // Returns `gone` if a descriptor reports an error that a read does not clear, even if others are
  // ready.
  Wake wait(bool tun_too) override {
    pollfd& tun = fds_.back();
    tun.revents = 0;
    while (::poll(fds_.data(), fds_.size() - (tun_too ? 0 : 1), -1) < 0) {
      if (errno != EINTR) return Wake::gone;
    }
    if ((tun.revents & ~POLLIN) != 0) return Wake::gone;
    if (fds_.front().revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t size = ::read(event_.get(), &count, sizeof count);
      return Wake::asked;
    }
    const bool is_ready =
        std::ranges::any_of(fds_, [](const pollfd& one) { return (one.revents & POLLIN) != 0; });
    return is_ready ? Wake::ready : Wake::gone;
  }

  void wake() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = ::write(event_.get(), &one, sizeof one);
  }

 private:
  Fd event_;
  std::vector<pollfd> fds_;  // the event, the sockets, the queue
};

}  // namespace

Result<QueuePair> open_queue_pair(Fd queue, TunAbilities tun, std::vector<UdpSocket> sockets,
                                  UdpAbilities udp) {
  Fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) return os_error("open an eventfd");
  auto waiter = std::make_unique<PollWaiter>(queue.get(), sockets, std::move(event));
  return QueuePair{std::make_unique<TunQueuePort>(std::move(queue), tun),
                   std::make_unique<UdpSocketPort>(std::move(sockets), udp), std::move(waiter)};
}

}  // namespace flannel
