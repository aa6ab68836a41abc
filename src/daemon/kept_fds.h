// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace flannel {

// The descriptors that an earlier run of flanneld left with the service manager (systemd's
// FDSTORE), by the name that they were given. Descriptors that are not taken are closed with this
// object.
class KeptFds {
 public:
  // Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and removes them so that child processes do
  // not use them. Must be called before any descriptor is opened.
  static KeptFds from_environment();

  // `names` is "a:b:a", with one name for each descriptor from `first` on. Empty if malformed.
  static KeptFds parse(std::string_view count, std::string_view names, int first);

  // Returns the name under which a network keeps descriptors: "blue.udp-queues". An empty `network`
  // has no name.
  static std::string name_in(std::string_view network, std::string_view name);

  // Returns all descriptors with this name, in their order; none at a second call.
  std::vector<Fd> take(std::string_view name);
  // True if take() would return any.
  bool has(std::string_view name) const { return fds_.contains(name); }
  // The names of those that are not taken, each once.
  std::set<std::string> names() const;

 private:
  std::multimap<std::string, Fd, std::less<>> fds_;
};

}  // namespace flannel
