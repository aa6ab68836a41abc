// SPDX-License-Identifier: Apache-2.0
// What the kernel says: every message of a datagram through every decoder.
#include <cstddef>
#include <cstdint>
#include <span>

#include "filter/rule_watch.h"
#include "kernel/netlink/generic_netlink.h"
#include "kernel/netlink/netlink_message.h"
#include "kernel/netlink/rtnetlink.h"
#include "kernel/netlink/wireguard_messages.h"
#include "kernel/netlink/xfrm_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flannel;
  NetlinkReader reader(std::as_bytes(std::span(data, size)));
  WireguardRow wireguard;
  while (const auto message = reader.next()) {
    decode_link(message->payload);
    decode_address(message->payload);
    decode_route(message->payload);
    decode_nexthop(message->payload);
    decode_neighbour(message->payload);
    decode_fdb(message->payload);
    decode_generic_family(message->payload);
    add_wireguard(message->payload, wireguard);
    decode_policy(message->payload);
    decode_changed_policy(message->payload);
    decode_ack(*message);
    decode_rule_change(*message);
  }
  finish(wireguard);
  return 0;
}
