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

// What the operator of this host asks of a packet path, beside the configuration of the cluster.
struct PacketPathWishes {
  bool accept_any = false;
  int queues = 0;  // 0: as the configuration says
  std::vector<int> cpus = {};
  int receive_buffer = 4 << 20;  // bytes, of each socket
  int send_buffer = 4 << 20;
  bool operator==(const PacketPathWishes&) const = default;
};

struct HostFacts {
  Underlay underlay;
  NodeId node_id;
  PacketPathWishes packet_path = {};
  std::string tun_device = {};  // of the packet path, once it is open
  Surroundings surroundings = {};
  // One route for each peer's subnet, where one for the whole network would take along what this
  // host uses outside of the overlay.
  bool route_each_peer = false;
};

// What a backend that carries packets in user space needs besides kernel objects.
struct PacketPathSettings {
  std::string device;           // "flannel%d": the first free number
  Endpoint4 local;              // where the socket is bound
  std::uint16_t peer_port = 0;  // peers are sent to PublicIP:peer_port
  std::uint32_t mtu = 0;        // of the device
  Cidr4 network = {};           // the device's address is in it
  int queues = 0;               // of the device, two threads each; 0: by the number of CPUs
  std::vector<int> cpus = {};   // that the threads are bound to, in turns; empty: none
  int receive_buffer = 4 << 20;
  int send_buffer = 4 << 20;
  bool persistent = true;
  bool accept_any = false;  // peers may send from another address than the one they announce
  bool operator==(const PacketPathSettings&) const = default;
};

// What is known of one peer besides its lease.
struct PeerFacts {
  // The peer's public IP is on the underlay's link: no gateway between. Filled in only if the
  // backend asks for it (wants_on_link).
  bool on_link = false;
  // A route leads to it, but by a gateway or by another interface. Neither: no route at all, as
  // while the underlay is down.
  bool off_link = false;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // The BackendType of our lease; empty for those that announce none (alloc, udp).
  virtual std::string_view lease_type() const = 0;
  // What we announce. `previous`: our own lease of an earlier run, or null.
  virtual LeaseAttributes announce(const HostFacts& host, const Lease* previous) const = 0;
  // MTU of the overlay, as written to subnet.env.
  virtual std::uint32_t overlay_mtu(const HostFacts& host) const = 0;

  virtual bool wants_on_link() const { return false; }
  // Nothing: the kernel carries the packets by itself.
  virtual std::optional<PacketPathSettings> packet_path(const HostFacts&) const {
    return std::nullopt;
  }

  // What reading the kernel must look at to find what we left there earlier.
  virtual Scope scope(const Cidr4& network) const = 0;
  // The device and its addresses.
  virtual NetState host_state(const Lease& own, const HostFacts& host) const = 0;
  // What reaches this peer. An error means that this one peer is unreachable, and says why.
  virtual Result<NetState> peer_state(const Lease& own, const Lease& peer, const HostFacts& host,
                                      const PeerFacts& facts) const = 0;
};

struct MadeBackend {
  std::unique_ptr<Backend> backend;
  std::vector<std::string> warnings = {};  // options without effect, unknown options
  std::string options = {};                // as understood, one line for the log
};

// From the Backend object of the configuration. ErrorKind::unsupported: a type of a later release;
// ErrorKind::invalid: an option is wrong, or the type is none.
Result<MadeBackend> make_backend(const NetworkConfig& config, const Underlay& underlay);

}  // namespace flannel
