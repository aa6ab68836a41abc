// SPDX-License-Identifier: Apache-2.0
#include "ctl/host_bridge.h"

namespace flannel {

std::string bridge_of(const IpPrefix& subnet, const HostView& host) {
  for (const Interface& interface : host.interfaces) {
    for (const InterfaceAddress& address : interface.addresses) {
      if (subnet.contains(address.ip) && address.ip != subnet.base) return interface.name;
    }
  }
  return {};
}

std::string link_of(const IpAddress& address, const HostView& host) {
  std::string link;
  for (const Interface& interface : host.interfaces) {
    for (const InterfaceAddress& own : interface.addresses) {
      if (own.ip == address) return {};
      if (own.ip.family != address.family) continue;
      if (IpPrefix::of(own.ip, own.bits).contains(address)) link = interface.name;
    }
  }
  return link;
}

}  // namespace flannel
