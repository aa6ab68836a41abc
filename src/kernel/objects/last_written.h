// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "kernel/netlink/rtnetlink.h"
#include "kernel/objects/route_placement.h"
#include "plan/kernel.h"

namespace flannel {

// Our kernel objects as of our last read and all later successful writes. If a notification does
// not name who made a change, the monitor compares it with these values. Devices are identified by
// their index; the entries of a deleted device are deleted with it.
class LastWritten {
 public:
  explicit LastWritten(std::size_t plain_routes) : routes(plain_routes) {}

  void put(int link, const Address& address) { on_link_[link].addresses.insert(address.ip); }
  void remove(int link, const Address& address) { on_link_[link].addresses.erase(address.ip); }
  void put(int link, const Neighbour& neighbour) {
    on_link_[link].macs.insert_or_assign(neighbour.ip, neighbour.mac);
  }
  void remove(int link, const Neighbour& neighbour) { on_link_[link].macs.erase(neighbour.ip); }
  void put(int link, const FdbEntry& entry) {
    on_link_[link].remotes.insert_or_assign(number(entry.mac), entry.remote);
  }
  void remove(int link, const FdbEntry& entry) {
    if (remote(link, entry.mac) == entry.remote) on_link_[link].remotes.erase(number(entry.mac));
  }
  void forget_neighbours(int link) { on_link_[link].macs.clear(); }
  void forget_all_on(int link) { on_link_.erase(link); }

  // Takes what a read of this scope has found, and all routes, in place of what was remembered of
  // them. The devices of other scopes stay.
  void renew(const Scope& scope, LastWritten read);

  bool has_address(int link, const IpAddress& ip) const;
  // nullopt if we have no such entry.
  std::optional<Mac> mac(int link, IpAddress neighbour) const;
  std::optional<IpAddress> remote(int link, const Mac& mac) const;

  std::map<std::string, LinkRow> links;
  RoutePlacement routes;

 private:
  struct OnLink {
    std::set<IpAddress> addresses;
    std::unordered_map<IpAddress, Mac> macs;
    std::unordered_map<std::uint64_t, IpAddress> remotes;
  };
  static std::uint64_t number(const Mac& mac);

  std::map<int, OnLink> on_link_;
};

}  // namespace flannel
