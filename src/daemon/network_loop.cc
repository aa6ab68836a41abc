// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_loop.h"

#include <utility>

#include "base/log.h"

namespace flannel {
namespace {

class NetworkPoster final : public Poster {
 public:
  NetworkPoster(std::shared_ptr<Poster> poster, std::string network)
      : poster_(std::move(poster)), network_(std::move(network)) {}

  void post(std::function<void()> work) override {
    poster_->post([network = network_, work = std::move(work)] {
      const log::AboutNetwork about(network);
      work();
    });
  }

 private:
  std::shared_ptr<Poster> poster_;
  std::string network_;
};

}  // namespace

Result<SubscriptionPtr> NetworkLoop::watch_fd(int fd, std::uint32_t events,
                                              std::function<void(std::uint32_t)> ready) {
  if (network_.empty()) return loop_.watch_fd(fd, events, std::move(ready));
  return loop_.watch_fd(fd, events, [this, ready = std::move(ready)](std::uint32_t happened) {
    const log::AboutNetwork about(network_);
    ready(happened);
  });
}

SubscriptionPtr NetworkLoop::at(TimePoint when, std::function<void()> expired) {
  if (network_.empty()) return loop_.at(when, std::move(expired));
  return loop_.at(when, [this, expired = std::move(expired)] {
    const log::AboutNetwork about(network_);
    expired();
  });
}

std::shared_ptr<Poster> NetworkLoop::poster() {
  if (network_.empty()) return loop_.poster();
  return std::make_shared<NetworkPoster>(loop_.poster(), network_);
}

}  // namespace flannel
