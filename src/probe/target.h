// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.h"
#include "net/device_name.h"

namespace flannel {

// A subnet of a peer, to which packets are sent.
struct ProbeTarget {
  IpPrefix subnet;
  // The base address of the first subnet of its lease: the paths to one peer have it in common.
  IpAddress peer = {};
  IpAddress from;     // the base address of our own subnet of this family
  IpAddress carrier;  // the public IP to which packets for the subnet are sent
  // The port of the UDP packets that carry them, 0 if packets of another protocol do; nullopt: they
  // go as they are.
  std::optional<std::uint16_t> tunnel_port = {};
  std::uint8_t tunnel_protocol = 4;  // of IP, if the port is 0
  DeviceName device;                 // by which they leave
  std::optional<Mac> mac = {};       // of the peer on this device; nullopt: any
  std::uint32_t mtu = 0;             // the longest packet of a container to it
  bool answers = true;  // its flanneld is of ours; false: only its kernel answers, an ICMP echo

  // The kernel leaves checksums of packets to it to devices. False: our packet path fills them in.
  bool is_offloaded = false;
  // flanneld can have the kernel fill in the checksums of packets by `device`.
  bool can_fill_checksums = false;
  DeviceName underlay = {};  // the interface by which they leave this host

  bool is_wrapped() const { return tunnel_port.has_value(); }
  // What carries packets, for people: "udp/8472", "IP protocol 4"; empty: nothing.
  std::string tunnel() const {
    if (!is_wrapped()) return {};
    return *tunnel_port == 0 ? "IP protocol " + std::to_string(tunnel_protocol)
                             : "udp/" + std::to_string(*tunnel_port);
  }
  bool operator==(const ProbeTarget&) const = default;
};

}  // namespace flannel
