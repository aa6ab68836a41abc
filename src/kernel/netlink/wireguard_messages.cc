// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/wireguard_messages.h"

#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "kernel/netlink/generic_netlink.h"
#include "net/socket_address.h"

namespace flannel {
namespace {

static_assert(WG_KEY_LEN == kWireguardKeySize);

template <typename Key>
NetlinkBytes bytes_of(const Key& bytes) {
  return std::as_bytes(std::span(bytes));
}

// nullopt: the value is no key.
std::optional<std::array<std::uint8_t, kWireguardKeySize>> decode_key(NetlinkBytes bytes) {
  std::array<std::uint8_t, kWireguardKeySize> key;
  if (bytes.size() != key.size()) return std::nullopt;
  std::memcpy(key.data(), bytes.data(), key.size());
  return key;
}

std::optional<IpEndpoint> decode_endpoint(NetlinkBytes bytes) {
  SocketAddress address;
  if (bytes.size() != sizeof(sockaddr_in) && bytes.size() != sizeof(sockaddr_in6)) {
    return std::nullopt;
  }
  std::memcpy(address.data(), bytes.data(), bytes.size());
  if (static_cast<std::size_t>(address.size()) != bytes.size()) return std::nullopt;
  const IpEndpoint endpoint = address.endpoint();
  return endpoint.port == 0 ? std::nullopt : std::optional(endpoint);
}

std::optional<IpPrefix> decode_allowed(NetlinkBytes bytes) {
  const NetlinkAttributes<WGALLOWEDIP_A_MAX> data(bytes);
  const auto address_family = data.number<std::uint16_t>(WGALLOWEDIP_A_FAMILY);
  const auto bits = data.number<std::uint8_t>(WGALLOWEDIP_A_CIDR_MASK);
  if (!bits || (address_family != AF_INET && address_family != AF_INET6)) return std::nullopt;
  const Family family = address_family == AF_INET ? Family::v4 : Family::v6;
  const auto ip = data.ip(WGALLOWEDIP_A_IPADDR, family);
  if (!ip || *bits > address_bits(family)) return std::nullopt;
  return IpPrefix::of(*ip, *bits);
}

std::int64_t decode_handshake(NetlinkBytes bytes) {
  const auto time = take_header<__kernel_timespec>(bytes);
  return time ? time->tv_sec : 0;
}

void add_peer(NetlinkBytes bytes, WireguardRow& row) {
  const NetlinkAttributes<WGPEER_A_MAX> data(bytes);
  const auto key = decode_key(data.at(WGPEER_A_PUBLIC_KEY));
  if (!key) return;
  // The continuation of a peer has its key and further prefixes only.
  const bool goes_on = !row.peers.empty() && row.peers.back().key.bytes == *key;
  if (!goes_on) {
    WireguardPeerRow peer{.key = {*key}};
    if (const auto shared = decode_key(data.at(WGPEER_A_PRESHARED_KEY))) {
      peer.preshared = WireguardSecret(*shared);
    }
    peer.endpoint = decode_endpoint(data.at(WGPEER_A_ENDPOINT));
    peer.keepalive = data.number<std::uint16_t>(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL).value_or(0);
    peer.last_handshake = decode_handshake(data.at(WGPEER_A_LAST_HANDSHAKE_TIME));
    row.peers.push_back(std::move(peer));
  }
  NetlinkAttributeReader prefixes(data.at(WGPEER_A_ALLOWEDIPS));
  while (const auto one = prefixes.next()) {
    if (const auto prefix = decode_allowed(one->value)) row.peers.back().allowed.push_back(*prefix);
  }
}

void begin_set(NetlinkBatch& batch, std::uint16_t family, int index) {
  begin_generic(batch, family, WG_CMD_SET_DEVICE, WG_GENL_VERSION);
  batch.put(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
}

void put_allowed(NetlinkBatch& batch, const IpPrefix& prefix) {
  batch.nest(0, [&] {
    batch.put(WGALLOWEDIP_A_FAMILY, std::uint16_t{socket_family(prefix.family())});
    batch.put(WGALLOWEDIP_A_IPADDR, prefix.base);
    batch.put(WGALLOWEDIP_A_CIDR_MASK, prefix.bits);
  });
}

}  // namespace

void dump_wireguard(NetlinkBatch& batch, std::uint16_t family, int index) {
  begin_generic(batch, family, WG_CMD_GET_DEVICE, WG_GENL_VERSION);
  batch.put(WGDEVICE_A_IFINDEX, static_cast<std::uint32_t>(index));
}

bool put_wireguard(NetlinkBatch& batch, std::uint16_t family, const WireguardRow& have,
                   const WireguardSettings& want) {
  const bool other_key = have.key != want.key;
  if (!other_key && have.port == want.port && have.mark == want.mark) return false;
  begin_set(batch, family, have.index);
  if (other_key) batch.put_bytes(WGDEVICE_A_PRIVATE_KEY, bytes_of(want.secret.bytes()));
  // The kernel opens the sockets again for any port that is given.
  if (have.port != want.port) batch.put(WGDEVICE_A_LISTEN_PORT, want.port);
  if (have.mark != want.mark) batch.put(WGDEVICE_A_FWMARK, want.mark);
  return true;
}

void put_wireguard_peer(NetlinkBatch& batch, std::uint16_t family, int index,
                        const WireguardPeer& peer, WireguardPeerWrite write) {
  begin_set(batch, family, index);
  batch.nest(WGDEVICE_A_PEERS, [&] {
    batch.nest(0, [&] {
      batch.put_bytes(WGPEER_A_PUBLIC_KEY, bytes_of(peer.key.bytes));
      if (write.replaces_allowed) {
        batch.put(WGPEER_A_FLAGS, std::uint32_t{WGPEER_F_REPLACE_ALLOWEDIPS});
      }
      batch.put_bytes(WGPEER_A_PRESHARED_KEY, bytes_of(peer.preshared.bytes()));
      if (write.endpoint && peer.endpoint.port != 0) {
        const SocketAddress address(peer.endpoint);
        batch.put_bytes(WGPEER_A_ENDPOINT, {reinterpret_cast<const std::byte*>(address.data()),
                                            static_cast<std::size_t>(address.size())});
      }
      batch.put(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer.keepalive);
      batch.nest(WGPEER_A_ALLOWEDIPS, [&] {
        for (const IpPrefix& prefix : peer.allowed)
          put_allowed(batch, prefix);
      });
    });
  });
}

void delete_wireguard_peer(NetlinkBatch& batch, std::uint16_t family, int index,
                           const WireguardKey& key) {
  begin_set(batch, family, index);
  batch.nest(WGDEVICE_A_PEERS, [&] {
    batch.nest(0, [&] {
      batch.put_bytes(WGPEER_A_PUBLIC_KEY, bytes_of(key.bytes));
      batch.put(WGPEER_A_FLAGS, std::uint32_t{WGPEER_F_REMOVE_ME});
    });
  });
}

bool add_wireguard(NetlinkBytes payload, WireguardRow& row) {
  if (!take_generic_header(payload, WG_CMD_GET_DEVICE)) return false;
  const NetlinkAttributes<WGDEVICE_A_MAX> data(payload);
  if (const auto index = data.number<std::int32_t>(WGDEVICE_A_IFINDEX)) row.index = *index;
  if (const auto key = decode_key(data.at(WGDEVICE_A_PUBLIC_KEY))) row.key = {*key};
  if (const auto port = data.number<std::uint16_t>(WGDEVICE_A_LISTEN_PORT)) row.port = *port;
  if (const auto mark = data.number<std::uint32_t>(WGDEVICE_A_FWMARK)) row.mark = *mark;
  NetlinkAttributeReader peers(data.at(WGDEVICE_A_PEERS));
  while (const auto peer = peers.next())
    add_peer(peer->value, row);
  return true;
}

void finish(WireguardRow& row) {
  for (WireguardPeerRow& peer : row.peers)
    std::ranges::sort(peer.allowed);
}

}  // namespace flannel
