// SPDX-License-Identifier: Apache-2.0
#include "filter/rule_watch.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "kernel/netlink/netlink_socket.h"
#include "kernel/netlink/notifications.h"

namespace flannel {
namespace {

constexpr int kReceiveBuffer = 1 << 20;  // a Kubernetes node rewrites thousands of rules at once

Result<Fd> open_socket() {
  Fd fd = TRY(open_netlink(NETLINK_NETFILTER, SOCK_NONBLOCK, kReceiveBuffer));
  if (!join_netlink_group(fd, NFNLGRP_NFTABLES)) {
    return os_error("netlink: listen to changes of nftables");
  }
  return fd;
}

// nullopt for tables of both families and of others.
std::optional<Family> family_of(const nfgenmsg& header) {
  if (header.nfgen_family == NFPROTO_IPV4) return Family::v4;
  if (header.nfgen_family == NFPROTO_IPV6) return Family::v6;
  return std::nullopt;
}

}  // namespace

std::optional<RuleChange> decode_rule_change(const NetlinkMessage& message) {
  if (message.type >> 8 != NFNL_SUBSYS_NFTABLES) return std::nullopt;
  NetlinkBytes payload = message.payload;
  const auto header = take_header<nfgenmsg>(payload);
  const auto family = header ? family_of(*header) : std::nullopt;
  if (!family) return std::nullopt;
  const NetlinkAttributes<NFTA_CHAIN_MAX> attributes(payload);
  switch (message.type & 0xff) {
    case NFT_MSG_NEWTABLE:
    case NFT_MSG_DELTABLE:
      return RuleChange{*family, attributes.text(NFTA_TABLE_NAME), {}};
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return RuleChange{*family, attributes.text(NFTA_CHAIN_TABLE),
                        attributes.text(NFTA_CHAIN_NAME)};
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return RuleChange{*family, attributes.text(NFTA_RULE_TABLE),
                        attributes.text(NFTA_RULE_CHAIN)};
    default:
      return std::nullopt;
  }
}

Result<std::unique_ptr<RuleWatch>> RuleWatch::open(Loop& loop, Question is_ours,
                                                   std::function<void()> on_change) {
  std::unique_ptr<RuleWatch> watch(
      new RuleWatch(TRY(open_socket()), std::move(is_ours), std::move(on_change)));
  watch->watch_ = TRY(loop.watch_fd(watch->fd_.get(), EPOLLIN,
                                    [self = watch.get()](std::uint32_t) { self->on_readable(); }));
  return watch;
}

RuleWatch::RuleWatch(Fd fd, Question is_ours, std::function<void()> on_change)
    : fd_(std::move(fd)),
      is_ours_(std::move(is_ours)),
      on_change_(std::move(on_change)),
      buffer_(64 << 10) {}

void RuleWatch::on_readable() {
  bool changed = false;
  read_notifications(
      fd_, buffer_,
      [&](const NetlinkMessage& message) {
        if (changed) return;
        const auto change = decode_rule_change(message);
        changed = change && is_ours_(*change);
      },
      [&] { changed = true; });
  if (changed) on_change_();
}

}  // namespace flannel
