// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "ctl/daemon_view.h"
#include "kernel/host/packet_way.h"
#include "trace/packet.h"

namespace flannel {

// The packets of the underlay that carry packets between this host and a peer, as the packet
// filters see them.
struct TunnelPackets {
  trace::Packet sent, received;
};

// "udp/8472", "IP protocol 4" (IPIP), "IP protocol 50" (ESP).
std::string in_words(const trace::Packet& tunnel);

// `way`: that of a packet of a container to the peer. nullopt: it is not wrapped, or the daemon
// does not say enough.
std::optional<TunnelPackets> tunnel_packets(const DaemonView& daemon, const PeerView& peer,
                                            const PacketWay& way);

}  // namespace flannel
