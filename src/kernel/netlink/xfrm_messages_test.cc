// SPDX-License-Identifier: Apache-2.0
// Encodes requests for policies of IPsec and decodes them like messages of the kernel.
#include "kernel/netlink/xfrm_messages.h"

#include <gtest/gtest.h>
#include <linux/xfrm.h>

#include <cstddef>
#include <vector>

namespace flannel::xfrm_messages_test {
namespace {

IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

IpsecPolicy tunnel() {
  return {.direction = IpsecPolicy::Direction::out,
          .from = prefix("10.5.1.0/24"),
          .to = prefix("10.5.2.0/24"),
          .action = IpsecPolicy::Action::tunnel,
          .outer_from = IpAddress::parse("192.0.2.1").value(),
          .outer_to = IpAddress::parse("192.0.2.2").value()};
}

std::vector<std::byte> payload_of(const IpsecPolicy& policy) {
  NetlinkBatch batch;
  add_policy(batch, policy);
  const auto message = NetlinkReader(batch.bytes(0, 1)).next().value();
  return {message.payload.begin(), message.payload.end()};
}

// The offset of a member of the first template.
constexpr std::size_t in_template(std::size_t member) {
  return sizeof(xfrm_userpolicy_info) + NLA_HDRLEN + member;
}

// Whether a policy is not taken for ours when the byte there is another one.
bool is_foreign_with(IpsecPolicy policy, std::size_t at, int value = 1) {
  auto payload = payload_of(policy);
  payload.at(at) = static_cast<std::byte>(value);
  return !decode_policy(payload);
}

TEST(XfrmMessagesTest, APolicyIsReadAsItWasWritten) {
  IpsecPolicy policy = tunnel();
  EXPECT_EQ(decode_policy(payload_of(policy)), policy);
  policy.direction = IpsecPolicy::Direction::forward;
  policy.from = prefix("fd00:5:1::/64");
  policy.to = prefix("fd00:5:2::/64");
  EXPECT_EQ(decode_policy(payload_of(policy)), policy);
  for (const auto action : {IpsecPolicy::Action::block, IpsecPolicy::Action::pass}) {
    const IpsecPolicy guard{.direction = IpsecPolicy::Direction::in,
                            .from = prefix("0.0.0.0/0"),
                            .to = prefix("10.5.0.0/16"),
                            .action = action};
    EXPECT_EQ(decode_policy(payload_of(guard)), guard);
  }
}

TEST(XfrmMessagesTest, APolicyOfAnotherFormIsNotOurs) {
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_userpolicy_info, priority)));
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_userpolicy_info, action)));
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_userpolicy_info, dir), 3));
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_selector, proto), 6));
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_selector, ifindex), 2));
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_selector, prefixlen_d), 33));
  EXPECT_TRUE(is_foreign_with(tunnel(), offsetof(xfrm_selector, family), 200));
  EXPECT_TRUE(is_foreign_with(tunnel(), in_template(offsetof(xfrm_user_tmpl, reqid)), 12));
  EXPECT_TRUE(is_foreign_with(tunnel(), in_template(offsetof(xfrm_user_tmpl, optional))))
      << "it lets packets pass in clear";
  EXPECT_TRUE(is_foreign_with(tunnel(), in_template(offsetof(xfrm_user_tmpl, mode)), 0));
  EXPECT_TRUE(is_foreign_with(tunnel(), in_template(offsetof(xfrm_id, proto)), 51));
}

TEST(XfrmMessagesTest, APolicyForPacketsWithAMarkIsNotOurs) {
  NetlinkBatch batch;
  add_policy(batch, tunnel());
  batch.put_bytes(XFRMA_MARK, std::as_bytes(std::span("1234567")));
  EXPECT_FALSE(decode_policy(NetlinkReader(batch.bytes(0, 1)).next()->payload));
}

TEST(XfrmMessagesTest, DamagedMessagesAreRefusedAtAnyLength) {
  const auto payload = payload_of(tunnel());
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const auto cut = decode_policy(NetlinkBytes(payload).first(size));
    EXPECT_NE(cut, tunnel()) << size;
  }
  EXPECT_FALSE(decode_changed_policy(NetlinkBytes(payload).first(sizeof(xfrm_selector) - 1)));
}

TEST(XfrmMessagesTest, ANotificationSaysItsPrefixes) {
  NetlinkBatch batch;
  delete_policy(batch, tunnel());
  const auto changed = decode_changed_policy(NetlinkReader(batch.bytes(0, 1)).next()->payload);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->first, tunnel().from);
  EXPECT_EQ(changed->second, tunnel().to);
  EXPECT_FALSE(decode_changed_policy(std::vector<std::byte>(sizeof(xfrm_selector))));
}

}  // namespace
}  // namespace flannel::xfrm_messages_test
