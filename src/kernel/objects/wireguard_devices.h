// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernel/netlink/devices.h"
#include "kernel/netlink/wireguard_socket.h"
#include "plan/kernel.h"

namespace flannel {

// Reads and changes what WireGuard devices have beside other devices: keys, ports and peers. In the
// network namespace of the thread that calls it first. Not thread-safe.
//
// The endpoint of a peer is written only if it is another than the one that was written last, or if
// the last reading found a wrong one whose last handshake is stale: the endpoint of a peer that
// roams stays through other changes.
class WireguardDevices {
 public:
  // Completes what is known of the device `row`, and appends its peers.
  Result<void> read(const LinkRow& row, Link& link, std::vector<Shared<WireguardPeer>>& peers);
  // Gives the device these keys, this port and this mark, as far as it has others. Another device
  // of ours that has the port gets any, until it is given its own: two devices may exchange theirs.
  // ErrorKind::exists: the port is in use.
  Result<void> set_up(const LinkRow& row, const WireguardSettings& settings);
  // Carries out changes of peers, all puts or all removals. `results` has one for each.
  void change_peers(Devices& devices, std::span<const KernelChange> changes,
                    std::span<Result<void>> results);

 private:
  // What the kernel has of a peer, as far as its next put depends on it.
  struct Known {
    std::optional<IpEndpoint> endpoint;  // nullopt: the next put writes it
    std::vector<IpPrefix> allowed;
  };
  using PeersByKey = std::map<WireguardKey, Known>;
  struct KnownDevice {
    int index = 0;
    PeersByKey peers;
  };

  Result<WireguardSocket*> socket();
  Result<void> put(WireguardSocket& socket, const WireguardRow& have,
                   const WireguardSettings& want);
  bool free_port(WireguardSocket& socket, std::uint16_t port, int but);
  // Nothing is known of the peers of a device that was made anew.
  PeersByKey& known(const std::string& name, int index);
  void greet(NetlinkBatch& batch, int index, const WireguardPeer& peer);
  void put(NetlinkBatch& batch, int index, const WireguardPeer& peer);
  void note(const KernelChange& change, int index, const Result<void>& outcome);

  std::optional<WireguardSocket> socket_;  // nullopt: not needed yet
  std::map<std::string, KnownDevice> known_;
};

}  // namespace flannel
