// SPDX-License-Identifier: Apache-2.0
// A backend is a pure function from leases and host facts to kernel objects; it opens no socket.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "core/node_id.h"
#include "plan/host.h"
#include "plan/kernel.h"
#include "plan/net_state.h"
#include "plan/surroundings.h"

namespace flannel {

// RFC 791; Linux disables IPv4 on a device below it.
inline constexpr std::uint32_t kMinDeviceMtu = 68;

// The operator's settings of the packet path for this host, in addition to the cluster's
// configuration.
struct PacketPathWishes {
  bool accept_any = false;
  int queues = 0;  // 0: use the configuration's value
  std::vector<int> cpus = {};
  int receive_buffer = 4 << 20;  // bytes, for each socket
  int send_buffer = 4 << 20;
  bool operator==(const PacketPathWishes&) const = default;
};

struct HostFacts {
  Underlay underlay;
  NodeId node_id;
  PacketPathWishes packet_path = {};
  std::string tun_device = {};  // the packet path's device; empty until the path is open
  Surroundings surroundings = {};
  // Use one route for each peer's subnet, because one route for the whole network would capture
  // addresses that this host uses outside of the overlay.
  bool route_each_peer = false;
};

// The settings of a backend that carries packets in user space.
struct PacketPathSettings {
  std::string device;  // "flannel%d": the kernel fills in the first free number
  // The sockets are bound to it: one endpoint, or one of each family with the same port.
  std::vector<IpEndpoint> local = {};
  std::uint16_t peer_port = 0;          // packets for a peer are sent to PublicIP:peer_port
  std::uint32_t mtu = 0;                // of the device
  std::vector<IpPrefix> networks = {};  // the device's addresses are in them
  int queues = 0;              // each has two threads; 0: the number follows that of the CPUs
  std::vector<int> cpus = {};  // bound to the threads in turn; empty: threads are not bound
  int receive_buffer = 4 << 20;
  int send_buffer = 4 << 20;
  bool persistent = true;
  bool accept_any = false;  // peers may send from another address than the one they announce
  bool operator==(const PacketPathSettings&) const = default;
};

// Facts about a peer that are not in its lease.
struct PeerFacts {
  // The peer's public IP is on the underlay's link, without a gateway. Set only if the backend
  // needs it (wants_on_link).
  bool on_link = false;
  // The route to the peer's public IP has a gateway or another interface. If both are false there
  // is no route at all, as while the underlay is down.
  bool off_link = false;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // The attributes that we announce. `previous`: our own lease of an earlier run, or nullptr.
  virtual LeaseAttributes announce(const HostFacts& host, const Lease* previous) const = 0;
  // The overlay's MTU, as written to subnet.env.
  virtual std::uint32_t overlay_mtu(const HostFacts& host) const = 0;

  virtual bool wants_on_link() const { return false; }
  // nullopt: the kernel carries the packets.
  virtual std::optional<PacketPathSettings> packet_path(const HostFacts&) const {
    return std::nullopt;
  }

  // The part of the kernel's state in which an earlier run may have left objects.
  virtual Scope scope(const IpPrefix& network) const = 0;
  // Returns the objects that this host needs for itself: the device and its addresses.
  virtual NetState host_state(const Lease& own, const HostFacts& host) const = 0;
  // The objects by which packets reach this peer. An error means that this peer alone is
  // unreachable, and gives the reason.
  virtual Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                                      const PeerFacts& facts) const = 0;
};

struct MadeBackend {
  std::unique_ptr<Backend> backend;
  std::vector<std::string> warnings = {};  // options without effect, unknown options
  std::string options = {};                // the options in effect, one line for the log
};

// Makes the backend from the Backend object of the configuration. ErrorKind::unsupported: a type
// that this release lacks; ErrorKind::invalid: an option is wrong, or the type is unknown.
Result<MadeBackend> make_backend(const NetworkConfig& config, const Underlay& underlay);

}  // namespace flannel
