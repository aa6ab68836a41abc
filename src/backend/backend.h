// SPDX-License-Identifier: Apache-2.0
// A backend is a pure function from leases and host facts to kernel objects; it opens no socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/command_record.h"
#include "core/lease.h"
#include "core/network_config.h"
#include "core/node_id.h"
#include "plan/host.h"
#include "plan/ipsec.h"
#include "plan/kernel.h"
#include "plan/net_state.h"
#include "plan/surroundings.h"
#include "plan/underlay_choice.h"
#include "plan/wireguard.h"

namespace flannel {

// RFC 791 and RFC 8200; Linux disables the family on a device below it.
constexpr std::uint32_t min_device_mtu(Family family) {
  return family == Family::v4 ? 68 : 1280;
}

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
  // The keys of this host; nullopt: no backend has wanted them (wants_wireguard_keys).
  std::optional<WireguardIdentity> wireguard = {};
  // What this host's PreStartupCommand has printed; nullopt: a backend has none, or it has not
  // ended.
  std::optional<std::string> startup_output = {};
  std::string tun_device = {};  // the packet path's device; empty until the path is open
  // Selects the names of our vxlan devices (vxlan_name). 1: upstream's, unless another backend of
  // this host has those.
  int device_number = 1;
  Surroundings surroundings = {};
  // Use one route for each peer's subnet, because one route for the whole network would capture
  // addresses that this host uses outside of the overlay.
  bool route_each_peer = false;
};

// `request` for an underlay with an address of each family that the network has, and of each that
// an option names by an address: an IPv6 network may be carried over IPv4, or the reverse. A host
// may lack one of two families.
UnderlayRequest request_for(const NetworkConfig& config, UnderlayRequest request);

// The underlay without the addresses of families that the network does not have: what a host has
// whose options name no address.
Underlay underlay_for(const NetworkConfig& config, Underlay underlay);

// The addresses that a host with this underlay announces.
PublicIps public_ips_of(const Underlay& underlay);

// The settings of a backend that carries packets in user space.
struct PacketPathSettings {
  std::string device;                   // "flannel%d": the kernel fills in the first free number
  std::vector<IpEndpoint> local;        // the sockets are bound to it; at most one of a family
  std::uint16_t peer_port = 0;          // packets for a peer are sent to PublicIP:peer_port
  std::uint32_t mtu = 0;                // the device has it
  std::vector<IpPrefix> networks = {};  // the device's addresses are in them
  int queues = 0;              // each has two threads; 0: the number follows that of the CPUs
  std::vector<int> cpus = {};  // bound to the threads in turn; empty: threads are not bound
  int receive_buffer = 4 << 20;
  int send_buffer = 4 << 20;
  bool persistent = true;
  bool accept_any = false;  // peers may send from another address than the one they announce
  bool operator==(const PacketPathSettings&) const = default;
};

// The settings of a backend that leaves its work to commands of the configuration.
struct CommandSettings {
  BackendCommands commands;
  std::chrono::seconds deadline = kCommandTimeout;  // a command that runs for longer is killed
  bool remove_at_exit = false;  // what commands have made does not outlive the daemon
  bool operator==(const CommandSettings&) const = default;
};

// What a backend needs beside kernel objects; monostate: nothing, the kernel carries the packets.
using Companion = std::variant<std::monostate, PacketPathSettings, CommandSettings, IpsecSettings>;

// One subnet of a peer, and the way there.
struct PeerPath {
  Family family = Family::v4;  // the subnet's
  IpAddress carrier = {};      // the public IP to which packets for the subnet are sent
  // The carrier is on the underlay's link, without a gateway. Set only if the backend needs it
  // (wants_on_link).
  bool on_link = false;
  // The route to the carrier has a gateway or another interface. If both are false there is no
  // route at all, as while the underlay is down.
  bool off_link = false;
};

struct BackendDevice {
  std::string name;
  Family family = Family::v4;  // the device carries packets of this family
  bool operator==(const BackendDevice&) const = default;
};

// The public IP of the peer in this family. Fails if the peer or this host has none.
Result<IpAddress> carrier_in(Family family, const Lease& peer, const HostFacts& host);
// The same in `preferred`, or else in the other family.
Result<IpAddress> carrier_in_any(Family preferred, const Lease& peer, const HostFacts& host);

class Backend {
 public:
  virtual ~Backend() = default;

  // What our lease says of this backend. Two backends of one host with the same value are the same
  // one with other options.
  virtual AnnouncedBackend announced() const = 0;

  // The attributes that we announce, `backend` included. `previous`: our own lease of an earlier
  // run, or nullptr.
  virtual LeaseAttributes announce(const HostFacts& host, const Lease* previous) const = 0;
  // The MTU for containers, as written to subnet.env: the smallest of all families.
  virtual std::uint32_t overlay_mtu(const HostFacts& host) const = 0;

  virtual bool wants_on_link() const { return false; }
  virtual Companion companion(const HostFacts&) const { return {}; }

  // The public IP of the peer to which packets for its subnet of this family are sent. Fails if it
  // announces none by which this host can reach it.
  virtual Result<IpAddress> carrier(const Lease& peer, Family family, const HostFacts& host) const {
    return carrier_in(family, peer, host);
  }

  // True if HostFacts::wireguard is needed.
  virtual bool wants_wireguard_keys() const { return false; }
  // True if host_state() has one route for a whole network, unless HostFacts::route_each_peer.
  virtual bool routes_network() const { return false; }
  // True if host_state() has objects for all packets to a network, unless
  // HostFacts::route_each_peer.
  virtual bool takes_network() const { return routes_network(); }
  // The UDP port of the peer to which what carries packets to it is sent; 0: no UDP carries them.
  virtual std::uint16_t tunnel_port(const Lease& /*peer*/, const IpAddress& /*carrier*/) const {
    return announced().port;
  }
  // The IP protocol that carries packets to peers if UDP does not.
  virtual std::uint8_t tunnel_protocol() const { return 4; }  // IPIP, RFC 2003

  // Our devices, in which an earlier run may have left objects.
  virtual std::vector<BackendDevice> devices(const HostFacts&) const { return {}; }
  // Returns the objects that this host needs for itself: the device and its addresses.
  virtual NetState host_state(const Lease& own, const HostFacts& host) const = 0;
  // What host_state() needs beside it so that packets from and to a subnet pass that another
  // backend carries.
  virtual NetState pass_state(const Lease& /*own*/, const IpPrefix& /*subnet*/,
                              const HostFacts& /*host*/) const {
    return {};
  }
  // The objects by which packets reach the peer's subnet of `path.family`; we have a subnet of it
  // too. An error means that this subnet alone is unreachable, and gives the reason.
  virtual Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                                      const PeerPath& path) const = 0;
};

// nullopt: the backend has no packet path.
std::optional<PacketPathSettings> packet_path_of(const Backend& backend, const HostFacts& host);

// Each name once.
std::vector<std::string> device_names(const Backend& backend, const HostFacts& host);

struct MadeBackend {
  std::unique_ptr<Backend> backend;
  std::vector<std::string> warnings = {};  // options without effect, unknown options
  std::string options = {};                // the options in effect, one line for the log
};

// Makes the backend from the Backend object of the configuration. ErrorKind::unsupported: a type
// that this release lacks; ErrorKind::invalid: an option is wrong, or the type is unknown.
Result<MadeBackend> make_backend(const NetworkConfig& config, const Underlay& underlay);

}  // namespace flannel
