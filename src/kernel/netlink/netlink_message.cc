// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/netlink_message.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>

namespace flannel {
namespace {

std::string_view extended_reason(const NetlinkMessage& message, NetlinkBytes attributes) {
  if ((message.flags & NLM_F_ACK_TLVS) == 0) return {};
  return NetlinkAttributes<NLMSGERR_ATTR_MSG>(attributes).text(NLMSGERR_ATTR_MSG);
}

}  // namespace

std::optional<NetlinkMessage> NetlinkReader::next() {
  NetlinkBytes bytes = rest_;
  const auto header = take_header<nlmsghdr>(bytes);
  if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const NetlinkBytes whole = rest_.first(header->nlmsg_len);
  rest_ = rest_.subspan(std::min(netlink_aligned(header->nlmsg_len), rest_.size()));
  return NetlinkMessage{header->nlmsg_type,
                        header->nlmsg_flags,
                        header->nlmsg_seq,
                        header->nlmsg_pid,
                        whole.subspan(sizeof(nlmsghdr)),
                        whole};
}

NetlinkAck decode_ack(const NetlinkMessage& message) {
  NetlinkBytes bytes = message.payload;
  const auto code = take_header<std::int32_t>(bytes);
  if (!code) return {message.type == NLMSG_DONE ? 0 : EBADMSG, {}};
  // Error codes of the kernel are negative, and never the value that cannot be negated.
  const int positive = *code == std::numeric_limits<int>::min() ? EBADMSG : std::abs(*code);
  if (message.type == NLMSG_ERROR) {
    const NetlinkBytes echoed = bytes;
    const auto header = take_header<nlmsghdr>(bytes);
    if (!header) return {positive, {}};
    if ((message.flags & NLM_F_CAPPED) == 0) {
      bytes = echoed.subspan(std::min(netlink_aligned(header->nlmsg_len), echoed.size()));
    }
  }
  return {positive, extended_reason(message, bytes)};
}

std::optional<IpAddress> decode_ip(NetlinkBytes bytes, Family family) {
  IpAddress ip = IpAddress::unspecified(family);
  if (bytes.size() != ip.octets().size()) return std::nullopt;
  std::memcpy(ip.bytes.data(), bytes.data(), bytes.size());
  return ip;
}

std::optional<NetlinkAttribute> NetlinkAttributeReader::next() {
  NetlinkBytes bytes = rest_;
  const auto header = take_header<nlattr>(bytes);
  if (!header || header->nla_len < sizeof(nlattr) || header->nla_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  rest_ = rest_.subspan(std::min(netlink_aligned(header->nla_len), rest_.size()));
  const std::size_t type = header->nla_type & NLA_TYPE_MASK;
  return NetlinkAttribute{type, bytes.first(header->nla_len - sizeof(nlattr))};
}

void index_attributes(NetlinkBytes bytes, std::span<std::optional<NetlinkBytes>> by_type) {
  NetlinkAttributeReader attributes(bytes);
  while (const auto attribute = attributes.next()) {
    if (attribute->type < by_type.size()) by_type[attribute->type] = attribute->value;
  }
}

}  // namespace flannel
