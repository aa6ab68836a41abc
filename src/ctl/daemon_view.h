// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ctl/command.h"
#include "net/address.h"

namespace flannel {

// Another host, as the flanneld of this one knows it.
struct PeerView {
  std::string name;  // the first digits of its node id, or its public address
  std::vector<IpPrefix> subnets;
  std::vector<IpAddress> public_ips;
  std::string backend;
  std::string state;
  std::string why;  // it has no other state than this
  std::optional<double> rtt_us;
};

// What the flanneld of this host says of itself.
struct DaemonView {
  nlohmann::ordered_json status;
  std::vector<PeerView> peers;
  std::vector<IpPrefix> own;       // the subnets of this host's lease; empty: it has none yet
  std::vector<IpPrefix> networks;  // the ranges of the overlay; empty: they are not known
  std::uint32_t mtu = 0;           // the MTU of containers; 0: it is not known
  std::string underlay;            // the name of its interface; empty: none yet

  // nullptr: no peer has the address.
  const PeerView* peer_of(const IpAddress& address) const;
  // True if no host of the overlay can have the address. False also if that is not known.
  bool is_outside(const IpAddress& address) const;
  // The subnet of this host that has the address; nullptr: none.
  const IpPrefix* own_subnet_of(const IpAddress& address) const;
};

// Asks the daemon. The errors are those of check_network_is_named().
Result<DaemonView> ask_daemon_view(const CtlOptions& options);

}  // namespace flannel
