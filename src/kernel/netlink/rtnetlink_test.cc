// SPDX-License-Identifier: Apache-2.0
// Encodes requests for the kernel and decodes them like messages of the kernel.
#include "kernel/netlink/rtnetlink.h"

#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink/link_kind.h"

namespace flannel::rtnetlink_test {
namespace {

const Mac kMac{{0x02, 0, 0, 0, 0, 0x01}};
constexpr int kLink = 7;

NetlinkMessage only(const NetlinkBatch& batch) {
  EXPECT_EQ(batch.size(), 1U);
  const auto message = NetlinkReader(batch.bytes(0, 1)).next();
  EXPECT_TRUE(message);
  return message.value_or(NetlinkMessage{});
}

Route route(std::string_view to, IpAddress via) {
  return {.to = *IpPrefix::parse_v4(to), .via = via, .link = "flannel.1", .onlink = true};
}

TEST(RtnetlinkTest, Vxlan) {
  NetlinkBatch batch;
  const VxlanSettings vxlan{.vni = 42,
                            .port = 4789,
                            .lower = {"eth0"},
                            .local = IpAddress::v4(192, 0, 2, 1),
                            .learning = true,
                            .gbp = true,
                            .mac = kMac};
  create_link(batch, {.name = "flannel.42", .kind = vxlan, .mtu = 1400}, kLink);
  const NetlinkMessage message = only(batch);
  EXPECT_EQ(message.type, RTM_NEWLINK);
  EXPECT_EQ(message.flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);

  std::vector<std::byte> numbered(message.payload.begin(), message.payload.end());
  numbered[offsetof(ifinfomsg, ifi_index)] = std::byte{9};
  const auto row = decode_link(numbered);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->name, "flannel.42");
  EXPECT_EQ(row->kind, "vxlan");
  EXPECT_EQ(row->mtu, 1400U);
  EXPECT_EQ(row->queue_len, 0U);
  EXPECT_EQ(row->mac, kMac);
  ASSERT_TRUE(row->settings);
  VxlanSettings read = vxlan;
  read.lower.index = kLink;
  EXPECT_EQ(*row->settings, LinkSettings(read));
  EXPECT_FALSE(row->external);
}

TEST(RtnetlinkTest, Ipip) {
  NetlinkBatch batch;
  const IpipSettings ipip{.local = IpAddress::v4(192, 0, 2, 1)};
  create_link(batch, {.name = "flannel.ipip", .kind = ipip, .mtu = 1480}, 0);
  const NetlinkMessage message = only(batch);
  std::vector<std::byte> numbered(message.payload.begin(), message.payload.end());
  numbered[offsetof(ifinfomsg, ifi_index)] = std::byte{9};
  const auto row = decode_link(numbered);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->kind, "ipip");
  EXPECT_EQ(row->mtu, 1480U);
  EXPECT_EQ(row->settings, LinkSettings(ipip));
}

TEST(RtnetlinkTest, AKindHasOneTableByItsSettingsAndByItsName) {
  for (const LinkSettings& settings :
       {LinkSettings(VxlanSettings{}), LinkSettings(TunSettings{}), LinkSettings(IpipSettings{})}) {
    const LinkKind& kind = kind_of(settings);
    EXPECT_EQ(kind_named(kind.name), &kind);
    EXPECT_EQ(to_string(settings).substr(0, kind.name.size()), kind.name);
  }
  EXPECT_EQ(kind_named("bridge"), nullptr);
}

TEST(RtnetlinkTest, Address) {
  NetlinkBatch batch;
  put_address(batch, kLink, {.link = "flannel.1", .ip = IpAddress::v4(10, 5, 1, 0), .bits = 32});
  const auto row = decode_address(only(batch).payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->link, kLink);
  EXPECT_EQ(row->ip, IpAddress::v4(10, 5, 1, 0));
  EXPECT_EQ(row->bits, 32);
}

TEST(RtnetlinkTest, Route) {
  NetlinkBatch batch;
  put_route(batch, kLink, route("10.5.2.0/24", IpAddress::v4(10, 5, 2, 0)));
  const auto row = decode_route(only(batch).payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(to_string(row->to), "10.5.2.0/24");
  EXPECT_EQ(row->via, IpAddress::v4(10, 5, 2, 0));
  EXPECT_EQ(row->link, kLink);
  EXPECT_EQ(row->table, RT_TABLE_MAIN);
  EXPECT_EQ(row->protocol, kRouteProtocol);
  EXPECT_EQ(row->type, RTN_UNICAST);
  EXPECT_TRUE(row->onlink);
  EXPECT_FALSE(row->multipath);
  EXPECT_EQ(row->nexthop, 0U);
  EXPECT_EQ(row->mtu, 0U);
}

TEST(RtnetlinkTest, RouteWithTheMtuOfAPeer) {
  NetlinkBatch batch;
  Route small = route("10.5.2.0/24", IpAddress::v4(10, 5, 2, 0));
  small.mtu = 1330;
  put_route(batch, kLink, small);
  const auto row = decode_route(only(batch).payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->mtu, 1330U);
  EXPECT_EQ(row->via, IpAddress::v4(10, 5, 2, 0));
}

TEST(RtnetlinkTest, RouteWithoutAGateway) {
  NetlinkBatch batch;
  put_route(batch, kLink, route("10.5.0.0/16", IpAddress{}));
  const auto row = decode_route(only(batch).payload);
  ASSERT_TRUE(row);
  EXPECT_FALSE(row->via);
  EXPECT_EQ(row->link, kLink);
}

TEST(RtnetlinkTest, RouteByNexthop) {
  NetlinkBatch batch;
  Route small = route("10.5.2.0/24", IpAddress::v4(10, 5, 2, 0));
  small.mtu = 1330;
  put_route_by_nexthop(batch, small, 0x0a050200, true);
  const auto row = decode_route(only(batch).payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->mtu, 1330U);
  EXPECT_EQ(row->nexthop, 0x0a050200U);
  EXPECT_FALSE(row->via);
}

TEST(RtnetlinkTest, Nexthop) {
  NetlinkBatch batch;
  put_nexthop(batch, 5, kLink, route("10.5.2.0/24", IpAddress::v4(10, 5, 2, 0)), true);
  const NetlinkMessage message = only(batch);
  EXPECT_EQ(message.flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);
  const auto row = decode_nexthop(message.payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->id, 5U);
  EXPECT_EQ(row->protocol, kRouteProtocol);
  EXPECT_EQ(row->via, IpAddress::v4(10, 5, 2, 0));
  EXPECT_EQ(row->link, kLink);
  EXPECT_TRUE(row->onlink);
}

TEST(RtnetlinkTest, Neighbour) {
  NetlinkBatch batch;
  put_neighbour(batch, kLink, {.link = "flannel.1", .ip = IpAddress::v4(10, 5, 2, 0), .mac = kMac});
  const NetlinkBytes payload = only(batch).payload;
  const auto row = decode_neighbour(payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->link, kLink);
  EXPECT_EQ(row->ip, IpAddress::v4(10, 5, 2, 0));
  EXPECT_EQ(row->mac, kMac);
  EXPECT_EQ(row->state, NUD_PERMANENT);
  EXPECT_FALSE(decode_fdb(payload)) << "another family";
}

TEST(RtnetlinkTest, FdbEntry) {
  NetlinkBatch batch;
  put_fdb(batch, kLink, {.link = "flannel.1", .mac = kMac, .remote = IpAddress::v4(192, 0, 2, 2)});
  const NetlinkBytes payload = only(batch).payload;
  const auto row = decode_fdb(payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->link, kLink);
  EXPECT_EQ(row->mac, kMac);
  EXPECT_EQ(row->remote, IpAddress::v4(192, 0, 2, 2));
  EXPECT_EQ(row->state, NUD_PERMANENT);
  EXPECT_EQ(row->flags, NTF_SELF);
  EXPECT_FALSE(decode_neighbour(payload)) << "another family";
}

TEST(RtnetlinkTest, DamagedMessagesAreNothing) {
  const std::array<std::byte, 4> bytes{};
  EXPECT_FALSE(decode_link(bytes));
  EXPECT_FALSE(decode_address(bytes));
  EXPECT_FALSE(decode_route(bytes));
  EXPECT_FALSE(decode_nexthop(bytes));
  EXPECT_FALSE(decode_neighbour(bytes));
  EXPECT_FALSE(decode_fdb(bytes));
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 33;
  EXPECT_FALSE(decode_route(std::as_bytes(std::span(&header, 1))));
}

}  // namespace
}  // namespace flannel::rtnetlink_test
