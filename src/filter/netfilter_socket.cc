// SPDX-License-Identifier: Apache-2.0
#include "filter/netfilter_socket.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <string_view>
#include <utility>

#include "kernel/netlink/netlink_batch.h"

namespace flannel {
namespace {

// The families as nft writes them.
std::string_view family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_IPV4:
      return "ip ";
    case NFPROTO_IPV6:
      return "ip6 ";
    case NFPROTO_INET:
      return "inet ";
    case NFPROTO_ARP:
      return "arp ";
    case NFPROTO_BRIDGE:
      return "bridge ";
    case NFPROTO_NETDEV:
      return "netdev ";
    default:
      return {};
  }
}

}  // namespace

Result<NetlinkSocket> open_netfilter() {
  return NetlinkSocket::open({.receive_buffer = 256 << 10, .protocol = NETLINK_NETFILTER});
}

Result<std::vector<std::string>> nft_tables(NetlinkSocket& netfilter) {
  NetlinkBatch request;
  request.begin(nft_message_type(NFT_MSG_GETTABLE), 0, nfgenmsg{NFPROTO_UNSPEC, NFNETLINK_V0, 0});
  auto dumped = netfilter.dump(request);
  // A kernel answers so to a request for a part that it does not have.
  if (!dumped && dumped.error().kind == ErrorKind::invalid) {
    return fail(ErrorKind::unsupported, "this kernel has no nftables");
  }
  const NetlinkReply reply = TRY_DURING(std::move(dumped), "list the tables of nftables");
  std::vector<std::string> tables;
  NetlinkReader messages = reply.messages();
  while (const auto message = messages.next()) {
    NetlinkBytes payload = message->payload;
    const auto header = take_header<nfgenmsg>(payload);
    if (message->type != nft_message_type(NFT_MSG_NEWTABLE) || !header) continue;
    const NetlinkAttributes<NFTA_TABLE_MAX> attributes(payload);
    tables.push_back(std::string(family_name(header->nfgen_family)) +
                     std::string(attributes.text(NFTA_TABLE_NAME)));
  }
  return tables;
}

}  // namespace flannel
