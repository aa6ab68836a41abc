// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace flannel {

// Replaces the addresses in texts, each by the same one wherever it stands, so that a reader still
// sees which are equal and which are in one network.
//   IPv4  198.18.0.0/15: each /24 becomes another one of it; the last byte stays
//   IPv6  2001:db8::/48: each /64 becomes another one of it, and its hosts are numbered
//   MAC   numbered from 02:00:00:00:00:01
// Loopback, 0.0.0.0 and ::, multicast addresses and the prefix fe80::/64 stay. Names of hosts stay.
class Anonymous {
 public:
  // `keep`: networks whose addresses stay.
  explicit Anonymous(std::vector<IpPrefix> keep) : keep_(std::move(keep)) {}

  std::string text(std::string_view original);

 private:
  std::string run(std::string_view original);
  bool replace(std::string_view word, std::string& made);
  bool stays(const IpAddress& ip) const;
  IpAddress v4(const IpAddress& ip);
  IpAddress v6(const IpAddress& ip);

  std::vector<IpPrefix> keep_;
  std::map<IpAddress, std::uint32_t> networks_;  // by their first address, of both families
  std::map<IpAddress, std::uint32_t> hosts_;     // IPv6 addresses only
  std::map<Mac, std::uint32_t> macs_;
};

}  // namespace flannel
