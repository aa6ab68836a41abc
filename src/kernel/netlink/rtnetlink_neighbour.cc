// SPDX-License-Identifier: Apache-2.0
// Requests and decoders for neighbours (ARP and ND entries) and FDB entries of vxlan devices.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink/rtnetlink.h"
#include "net/socket_address.h"

namespace flannel {
namespace {

ndmsg neighbour_header(int family, int link) {
  ndmsg header{};
  header.ndm_family = static_cast<std::uint8_t>(family);
  header.ndm_ifindex = link;
  return header;
}

ndmsg permanent(ndmsg header) {
  header.ndm_state = NUD_PERMANENT;
  return header;
}

ndmsg fdb_header(int link) {
  ndmsg header = neighbour_header(AF_BRIDGE, link);
  header.ndm_flags = NTF_SELF;
  return header;
}

void put_fdb_identity(NetlinkBatch& batch, const FdbEntry& entry) {
  batch.put(NDA_LLADDR, entry.mac);
  batch.put(NDA_DST, entry.remote);
}

}  // namespace

std::optional<NeighbourRow> decode_neighbour(NetlinkBytes payload) {
  const auto header = take_header<ndmsg>(payload);
  if (!header) return std::nullopt;
  const auto family = decode_family(header->ndm_family);
  if (!family) return std::nullopt;
  const NetlinkAttributes<NDA_LLADDR> attributes(payload);
  const auto ip = attributes.ip(NDA_DST, *family);
  if (!ip) return std::nullopt;
  // An unresolved neighbour has no MAC yet.
  return NeighbourRow{header->ndm_ifindex, *ip, attributes.mac(NDA_LLADDR).value_or(Mac{}),
                      header->ndm_state};
}

std::optional<FdbRow> decode_fdb(NetlinkBytes payload) {
  const auto header = take_header<ndmsg>(payload);
  if (!header || header->ndm_family != AF_BRIDGE) return std::nullopt;
  const NetlinkAttributes<NDA_LLADDR> attributes(payload);
  const auto mac = attributes.mac(NDA_LLADDR);
  if (!mac) return std::nullopt;
  auto remote = attributes.ip(NDA_DST, Family::v4);
  if (!remote) remote = attributes.ip(NDA_DST, Family::v6);
  return FdbRow{header->ndm_ifindex, *mac, remote, header->ndm_state, header->ndm_flags};
}

void put_neighbour(NetlinkBatch& batch, int link, const Neighbour& neighbour) {
  ndmsg header = permanent(neighbour_header(socket_family(neighbour.ip.family), link));
  header.ndm_type = RTN_UNICAST;
  batch.begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
  batch.put(NDA_DST, neighbour.ip);
  batch.put(NDA_LLADDR, neighbour.mac);
}

void delete_neighbour(NetlinkBatch& batch, int link, const Neighbour& neighbour) {
  batch.begin(RTM_DELNEIGH, 0, neighbour_header(socket_family(neighbour.ip.family), link));
  batch.put(NDA_DST, neighbour.ip);
}

void dump_neighbours(NetlinkBatch& batch, int link) {
  batch.begin(RTM_GETNEIGH, 0, neighbour_header(AF_UNSPEC, 0));
  batch.put(NDA_IFINDEX, static_cast<std::uint32_t>(link));
}

void put_fdb(NetlinkBatch& batch, int link, const FdbEntry& entry) {
  batch.begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, permanent(fdb_header(link)));
  put_fdb_identity(batch, entry);
}

void delete_fdb(NetlinkBatch& batch, int link, const FdbEntry& entry) {
  batch.begin(RTM_DELNEIGH, 0, fdb_header(link));
  put_fdb_identity(batch, entry);
}

void dump_fdb(NetlinkBatch& batch, int link) {
  batch.begin(RTM_GETNEIGH, 0, neighbour_header(AF_BRIDGE, link));
}

}  // namespace flannel
