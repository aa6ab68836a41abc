// SPDX-License-Identifier: Apache-2.0
// Kernel objects in the form of rtnetlink, with interface indexes instead of names, foreign objects
// included. Decoders read the payload of a message of their type; nullopt: it is neither of IPv4
// nor of IPv6, or damaged. Unknown attributes are skipped. docs/kernel-objects.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/netlink/netlink_batch.h"
#include "kernel/netlink/netlink_message.h"
#include "net/address.h"
#include "plan/net_state.h"

namespace flannel {

// AF_INET or AF_INET6; nullopt: another.
std::optional<Family> decode_family(std::uint8_t address_family);

struct LinkRow {
  int index = 0;
  std::string name;
  std::string kind;  // "vxlan", "ipip", "bridge"; empty: a hardware device
  std::uint32_t mtu = 0;
  std::uint32_t queue_len = 0;
  bool up = false;       // administratively
  bool carrier = false;  // IFF_LOWER_UP
  Mac mac;               // zero if the device has none
  // As for our own devices, the interface below without its name. nullopt: the device is not of a
  // kind that we make.
  std::optional<LinkSettings> settings;
  bool external = false;  // another program chooses tunnel and family of each packet
  int bridge = 0;         // index of the bridge, or other device, of which it is a port; 0: none
  std::uint32_t rp_filter = 0;  // its own setting; the one of all devices counts too
  bool operator==(const LinkRow&) const = default;
};

struct AddressRow {
  int link = 0;
  IpAddress ip;
  std::uint8_t bits = 32;
  std::uint32_t flags = 0;  // IFA_F_*
};

struct RouteRow {
  IpPrefix to;
  std::uint32_t table = 0;
  std::uint8_t protocol = 0;
  std::uint8_t type = 0;  // RTN_*
  std::uint32_t metric = 0;
  std::uint8_t tos = 0;
  bool onlink = false;
  bool multipath = false;
  bool cloned = false;              // a cached copy of another route, never one of a table
  std::optional<IpAddress> via;     // nullopt: on the link. May be of another family than `to`
  int link = 0;                     // 0: no single device (multipath)
  std::uint32_t nexthop = 0;        // id of a next-hop object, 0: none
  std::optional<IpAddress> source;  // preferred source address
  std::uint32_t mtu = 0;            // 0: that of the device
};

struct NexthopRow {
  std::uint32_t id = 0;
  std::uint8_t protocol = 0;
  std::optional<IpAddress> via;  // also nullopt for groups and black holes
  int link = 0;
  bool onlink = false;
};

inline constexpr std::uint32_t kLastMetric = 0xffffffff;  // of a blackhole route
// True if the object has our protocol, from any run and for any network.
bool is_ours(const RouteRow& row);
bool is_ours(const NexthopRow& row);

struct NeighbourRow {
  int link = 0;
  IpAddress ip;
  Mac mac;
  std::uint16_t state = 0;  // NUD_*
};

struct FdbRow {
  int link = 0;
  Mac mac;
  std::optional<IpAddress> remote;
  std::uint16_t state = 0;  // NUD_*
  std::uint8_t flags = 0;   // NTF_*
};

std::optional<LinkRow> decode_link(NetlinkBytes payload);
std::optional<AddressRow> decode_address(NetlinkBytes payload);
std::optional<RouteRow> decode_route(NetlinkBytes payload);
std::optional<NexthopRow> decode_nexthop(NetlinkBytes payload);
std::optional<NeighbourRow> decode_neighbour(NetlinkBytes payload);
std::optional<FdbRow> decode_fdb(NetlinkBytes payload);

// Changes to an existing device. Settings that are nullopt are left unchanged.
struct LinkChange {
  std::optional<std::uint32_t> mtu;
  std::optional<std::uint32_t> queue_len;
  std::optional<Mac> mac;
  std::optional<bool> up;
  std::optional<std::uint32_t> rp_filter;
};

// Each function appends one request; the comment is the equivalent command.

// ip link add NAME address MAC mtu MTU txqueuelen 0 type KIND ..
// `link` is of a kind that the kernel makes (LinkKind::put_new). `lower`: the index of its lower
// device, 0: none.
void create_link(NetlinkBatch& batch, const Link& link, int lower);
void change_link(NetlinkBatch& batch, int index, const LinkChange& change);  // ip link set
// ip link set DEV type KIND ..: what the kernel can change of the settings of the kind
// (LinkKind::put_changeable). It rejects an MTU of a vxlan device in the same request.
void change_link_settings(NetlinkBatch& batch, int index, const LinkSettings& settings, int lower);
void delete_link(NetlinkBatch& batch, int index);
void get_link(NetlinkBatch& batch, const std::string& name);
void get_link(NetlinkBatch& batch, int index);
void dump_links(NetlinkBatch& batch);
void dump_ports(NetlinkBatch& batch, int bridge);  // ip link show master BRIDGE

void put_address(NetlinkBatch& batch, int link, const Address& address);  // ip addr replace
void delete_address(NetlinkBatch& batch, int link, const Address& address);
// ip route replace NETWORK dev LINK proto kernel scope link src IP, like the kernel's own. For
// IPv6: ip route append NETWORK dev LINK proto kernel metric 256, since a replacement would take
// the route of any device with the same network.
void put_network_route(NetlinkBatch& batch, int link, const Address& address);
void dump_addresses(NetlinkBatch& batch, int link);  // both families; link 0: all devices

// ip route replace TO via [inet6] VIA dev LINK proto 250 [onlink] [mtu MTU]
void put_route(NetlinkBatch& batch, int link, const Route& route);
// ip route replace TO nhid ID proto 250 [mtu MTU]; `fresh`: there is no such route yet
void put_route_by_nexthop(NetlinkBatch& batch, const Route& route, std::uint32_t nexthop,
                          bool fresh);
// ip route replace blackhole TO metric 4294967295 proto 250
void put_blackhole(NetlinkBatch& batch, const IpPrefix& to);
void delete_blackhole(NetlinkBatch& batch, const IpPrefix& to);
// Deletes only a route of our protocol (of RTPROT_BOOT if it is foreign) with this device and
// gateway, or with this next-hop object.
void delete_route(NetlinkBatch& batch, int link, const Route& route);
void delete_route_by_nexthop(NetlinkBatch& batch, const IpPrefix& to, std::uint32_t nexthop);
// ip [-6] route show table main proto PROTOCOL; 0: any protocol
void dump_routes(NetlinkBatch& batch, Family family, std::uint8_t protocol);
void get_path(NetlinkBatch& batch, const IpAddress& to);  // ip route get
// ip route get TO from FROM iif IN; `in` 0: a packet of this host
void get_forward_path(NetlinkBatch& batch, const IpAddress& from, const IpAddress& to, int in);

// ip nexthop add (if `fresh`) or replace id ID via VIA dev LINK [onlink] proto 250
void put_nexthop(NetlinkBatch& batch, std::uint32_t id, int link, const Route& route, bool fresh);
void delete_nexthop(NetlinkBatch& batch, std::uint32_t id);
void dump_nexthops(NetlinkBatch& batch);

// ip neigh replace IP lladdr MAC dev LINK nud permanent
void put_neighbour(NetlinkBatch& batch, int link, const Neighbour& neighbour);
void delete_neighbour(NetlinkBatch& batch, int link, const Neighbour& neighbour);
void dump_neighbours(NetlinkBatch& batch, int link);  // both families

// bridge fdb replace MAC dev LINK dst REMOTE self permanent
void put_fdb(NetlinkBatch& batch, int link, const FdbEntry& entry);
void delete_fdb(NetlinkBatch& batch, int link, const FdbEntry& entry);
void dump_fdb(NetlinkBatch& batch, int link);

}  // namespace flannel
