// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "ctl/daemon_view.h"
#include "kernel/host/packet_way.h"
#include "trace/packet.h"

namespace flannel {

// The datagrams that carry packets between this host and a peer, as the packet filters see them.
struct TunnelPackets {
  trace::Packet sent, received;
};

// `way`: that of a packet of a container to the peer. nullopt: it is not wrapped, or the daemon
// does not say enough.
std::optional<TunnelPackets> tunnel_packets(const DaemonView& daemon, const PeerView& peer,
                                            const PacketWay& way);

}  // namespace flannel
