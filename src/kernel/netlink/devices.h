// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/rtnetlink.h"

namespace flannel {

// A device of a kind that we make; one of another kind is never changed, whatever its name.
bool is_of_our_kind(const LinkRow& row);
// "a bridge", "a hardware device": what it is instead.
std::string kind_in_words(const LinkRow& row);

// Devices by name and index, each asked for once. Meant to live for one read or apply: others
// change devices too.
class Devices {
 public:
  explicit Devices(NetlinkSocket& socket) : socket_(socket) {}

  // Null: there is none of this name. Valid until forget().
  Result<const LinkRow*> find(const std::string& name);
  // Empty: there is none of this index (any more).
  Result<std::string> name_of(int index);
  // A device of our kind as a value.
  Result<Link> as_link(const LinkRow& row);

  void forget(const std::string& name) { by_name_.erase(name); }

 private:
  NetlinkSocket& socket_;
  std::map<std::string, std::optional<LinkRow>> by_name_;
  std::map<int, std::string> names_;
};

}  // namespace flannel
