// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/rtnetlink.h"

namespace flannel {

// True if the device is of a kind that we make. A device of another kind is never changed, whatever
// its name.
inline bool is_of_our_kind(const LinkRow& row) {
  return row.settings.has_value();
}
// The kind of a device in words: "a bridge", "a hardware device".
std::string kind_in_words(const LinkRow& row);

// A cache of devices by name and index. It is valid for one read or apply only, because other
// programs change devices too.
class Devices {
 public:
  explicit Devices(NetlinkSocket& socket) : socket_(socket) {}

  // nullptr: no device has this name. Valid until forget().
  Result<const LinkRow*> find(const std::string& name);
  // Empty: no device has this index (any more).
  Result<std::string> name_of(int index);
  // A device of our kind as a value, without the check of sources, which depends on more.
  Result<Link> as_link(const LinkRow& row);

  void forget(const std::string& name) { by_name_.erase(name); }

 private:
  NetlinkSocket& socket_;
  std::map<std::string, std::optional<LinkRow>> by_name_;
  std::map<int, std::string> names_;
};

}  // namespace flannel
