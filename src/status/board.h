// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "status/snapshot.h"

namespace flannel {

// The state of each network at one moment, by its name; none is null. The network of a daemon that
// has only one, without a name, has the name "".
using NetworkStatuses = std::map<std::string, std::shared_ptr<const StatusSnapshot>, std::less<>>;

// True if there is one network, which has no name.
inline bool is_unnamed(const NetworkStatuses& networks) {
  return networks.size() == 1 && networks.begin()->first.empty();
}

// What a daemon with --networks=* knows that concerns none of its networks.
struct DaemonStatus {
  bool ready = true;  // false: it does not know its networks yet
  std::vector<Problem> problems = {};
};

// Holds the latest snapshot of each network: the loop publishes it, other threads read it.
// Thread-safe.
class StatusBoard {
 public:
  // Each of `networks` has an empty snapshot until the first is published.
  explicit StatusBoard(const std::vector<std::string>& networks) {
    for (const std::string& network : networks)
      publish(network, {});
  }

  void publish(const std::string& network, StatusSnapshot snapshot) {
    auto next = std::make_shared<const StatusSnapshot>(std::move(snapshot));
    const std::lock_guard lock(mutex_);
    current_[network].swap(next);  // the old one is destroyed outside the lock
  }

  // This host takes no part in the network any more.
  void remove(const std::string& network) {
    NetworkStatuses::node_type last;  // is destroyed outside the lock
    const std::lock_guard lock(mutex_);
    last = current_.extract(network);
  }

  void publish_daemon(DaemonStatus status) {
    const std::lock_guard lock(mutex_);
    daemon_ = std::move(status);
  }

  DaemonStatus daemon() const {
    const std::lock_guard lock(mutex_);
    return daemon_;
  }

  NetworkStatuses current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

 private:
  mutable std::mutex mutex_;
  NetworkStatuses current_;
  DaemonStatus daemon_;
};

}  // namespace flannel
