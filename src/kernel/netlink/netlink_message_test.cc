// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/netlink_message.h"
#include "kernel/netlink/netlink_batch.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <limits>
#include <string>
#include <vector>

namespace flannel::netlink_message_test {
namespace {

std::vector<std::byte> copy(NetlinkBytes bytes) {
  return {bytes.begin(), bytes.end()};
}

std::vector<NetlinkMessage> all(NetlinkBytes bytes) {
  std::vector<NetlinkMessage> messages;
  NetlinkReader reader(bytes);
  while (const auto message = reader.next())
    messages.push_back(*message);
  return messages;
}

TEST(NetlinkBatchTest, WritesWhatTheReaderReads) {
  NetlinkBatch batch;
  rtmsg header{};
  header.rtm_dst_len = 24;
  batch.begin(RTM_NEWROUTE, NLM_F_CREATE, header);
  batch.put(RTA_DST, IpAddress::v4(10, 5, 2, 0));
  batch.put(RTA_OIF, std::uint32_t{7});
  batch.begin(RTM_DELROUTE, 0, rtmsg{});
  batch.stamp(1, 42, 7, NLM_F_ACK);

  const auto messages = all(batch.bytes(0, 2));
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].type, RTM_NEWROUTE);
  EXPECT_EQ(messages[0].flags, NLM_F_REQUEST | NLM_F_CREATE);
  EXPECT_EQ(messages[1].sequence, 42U);
  EXPECT_EQ(messages[1].flags, NLM_F_REQUEST | NLM_F_ACK);

  NetlinkBytes payload = messages[0].payload;
  ASSERT_EQ(take_header<rtmsg>(payload)->rtm_dst_len, 24);
  const NetlinkAttributes<RTA_MAX> attributes(payload);
  EXPECT_EQ(attributes.ip(RTA_DST, Family::v4), IpAddress::v4(10, 5, 2, 0));
  EXPECT_EQ(attributes.number<std::uint32_t>(RTA_OIF), 7U);
  EXPECT_FALSE(attributes.has(RTA_GATEWAY));
}

TEST(NetlinkBatchTest, PadsOddValuesAndClosesNests) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{});
  batch.nest(1, [&] {
    batch.put(2, std::string_view("vxlan"));
    batch.nest(3, [&] { batch.put(4, std::uint8_t{9}); });
    batch.put_big_endian(5, 8472);
  });
  batch.put(6, std::uint32_t{1});

  NetlinkBytes payload = all(batch.bytes(0, 1)).at(0).payload;
  ASSERT_TRUE(take_header<ifinfomsg>(payload));
  const NetlinkAttributes<6> outer(payload);
  const NetlinkAttributes<6> inner(outer.at(1));
  EXPECT_EQ(inner.text(2), "vxlan");
  EXPECT_EQ(NetlinkAttributes<4>(inner.at(3)).number<std::uint8_t>(4), 9);
  EXPECT_EQ(inner.big_endian(5), 8472);
  EXPECT_EQ(outer.number<std::uint32_t>(6), 1U);
}

TEST(NetlinkReaderTest, GivesUpAtALengthThatDoesNotFit) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWROUTE, 0, rtmsg{});
  batch.begin(RTM_NEWROUTE, 0, rtmsg{});
  auto bytes = copy(batch.bytes(0, 2));
  const std::size_t second = bytes.size() / 2;

  for (const unsigned length : {0, 15, 200}) {
    bytes[second] = static_cast<std::byte>(length);
    EXPECT_EQ(all(bytes).size(), 1U) << length;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_LE(all(NetlinkBytes(bytes).first(size)).size(), 1U) << size;
  }
}

TEST(NetlinkAttributesTest, ADamagedAttributeEndsTheList) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWROUTE, 0, rtmsg{});
  batch.put(1, std::uint32_t{1});
  batch.put(2, std::uint32_t{2});
  auto bytes = copy(batch.bytes(0, 1));
  const std::size_t second = bytes.size() - 8;
  const auto attributes = [&] {
    return NetlinkAttributes<2>(NetlinkBytes(bytes).subspan(sizeof(nlmsghdr) + sizeof(rtmsg)));
  };
  EXPECT_TRUE(attributes().has(2));
  for (const unsigned length : {0, 3, 9}) {
    bytes[second] = static_cast<std::byte>(length);
    EXPECT_EQ(attributes().number<std::uint32_t>(1), 1U);
    EXPECT_FALSE(attributes().has(2)) << length;
  }
}

// An ack of `code` to a request, with the kernel's text in the attributes after it.
NetlinkBatch ack_of(std::int32_t code) {
  NetlinkBatch batch;
  batch.begin(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, code);
  return batch;
}

TEST(NetlinkAckTest, HasTheReasonOfTheKernel) {
  struct Echo {
    std::int32_t code = -EINVAL;
    nlmsghdr request{};
  } echo;
  echo.request.nlmsg_len = 5000;  // capped: the remaining bytes are missing
  NetlinkBatch batch;
  batch.begin(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, echo);
  batch.put(NLMSGERR_ATTR_MSG, std::string_view("Nexthop has invalid gateway"));
  const NetlinkAck ack = decode_ack(all(batch.bytes(0, 1)).at(0));
  EXPECT_EQ(ack.code, EINVAL);
  EXPECT_EQ(ack.reason, "Nexthop has invalid gateway");

  NetlinkBatch whole;
  echo.request.nlmsg_len = sizeof(nlmsghdr) + 4;
  struct {
    Echo echo;
    std::uint32_t payload = 0;
  } uncapped{echo};
  whole.begin(NLMSG_ERROR, NLM_F_ACK_TLVS, uncapped);
  whole.put(NLMSGERR_ATTR_MSG, std::string_view("words"));
  EXPECT_EQ(decode_ack(all(whole.bytes(0, 1)).at(0)).reason, "words");
}

TEST(NetlinkAckTest, ADamagedOneIsNoSuccess) {
  EXPECT_EQ(decode_ack(all(ack_of(0).bytes(0, 1)).at(0)).code, 0);
  EXPECT_EQ(decode_ack(all(ack_of(-ENOENT).bytes(0, 1)).at(0)).code, ENOENT);
  const auto lowest = std::numeric_limits<std::int32_t>::min();
  EXPECT_NE(decode_ack(all(ack_of(lowest).bytes(0, 1)).at(0)).code, 0);
  NetlinkMessage empty;
  empty.type = NLMSG_ERROR;
  EXPECT_NE(decode_ack(empty).code, 0);
}

TEST(NetlinkAttributesTest, AValueOfTheWrongSizeIsNoValue) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWROUTE, 0, rtmsg{});
  batch.put(1, std::uint16_t{1});
  batch.put(2, std::uint64_t{2});
  const NetlinkAttributes<2> attributes(
      batch.bytes(0, 1).subspan(sizeof(nlmsghdr) + sizeof(rtmsg)));
  EXPECT_FALSE(attributes.number<std::uint32_t>(1));
  EXPECT_FALSE(attributes.ip(1, Family::v4));
  EXPECT_FALSE(attributes.ip(2, Family::v4)) << "eight bytes are no IPv4 address";
  EXPECT_FALSE(attributes.mac(2));
}

}  // namespace
}  // namespace flannel::netlink_message_test
