// SPDX-License-Identifier: Apache-2.0
// Encodes requests for WireGuard and decodes them like messages of the kernel.
#include "kernel/netlink/wireguard_messages.h"

#include <gtest/gtest.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>

#include "kernel/netlink/generic_netlink.h"

namespace flannel::wireguard_messages_test {
namespace {

constexpr std::uint16_t kFamily = 30;
constexpr int kDevice = 7;

WireguardKey key(std::uint8_t number) {
  WireguardKey key;
  key.bytes.fill(number);
  return key;
}

WireguardSecret secret(std::uint8_t number) {
  return WireguardSecret(key(number).bytes);
}

IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

WireguardPeer peer() {
  return {.link = "flannel-wg",
          .key = key(2),
          .preshared = secret(3),
          .endpoint = {IpAddress::parse("2001:db8::2").value(), 51821},
          .keepalive = 25,
          .allowed = {prefix("10.5.2.0/24"), prefix("fd00:5:2::/64")}};
}

// A request of ours as the kernel would answer it: of the command of its answers.
std::vector<std::byte> as_answer(const NetlinkBatch& batch) {
  const auto message = NetlinkReader(batch.bytes(0, 1)).next().value();
  std::vector<std::byte> payload(message.payload.begin(), message.payload.end());
  payload[offsetof(genlmsghdr, cmd)] = std::byte{WG_CMD_GET_DEVICE};
  return payload;
}

WireguardRow read(const NetlinkBatch& batch) {
  WireguardRow row;
  EXPECT_TRUE(add_wireguard(as_answer(batch), row));
  finish(row);
  return row;
}

TEST(WireguardMessagesTest, APeerIsReadAsItWasWritten) {
  NetlinkBatch batch;
  put_wireguard_peer(batch, kFamily, kDevice, peer(), {});
  EXPECT_EQ(batch.type(0), kFamily);
  const WireguardRow row = read(batch);
  EXPECT_EQ(row.index, kDevice);
  ASSERT_EQ(row.peers.size(), 1U);
  EXPECT_EQ(row.peers[0].key, key(2));
  EXPECT_EQ(row.peers[0].preshared, secret(3));
  EXPECT_EQ(row.peers[0].endpoint, peer().endpoint);
  EXPECT_EQ(row.peers[0].keepalive, 25);
  EXPECT_EQ(row.peers[0].allowed, peer().allowed);
  EXPECT_EQ(row.peers[0].last_handshake, 0);
}

TEST(WireguardMessagesTest, AnEndpointThatIsToStayIsNotWritten) {
  NetlinkBatch batch;
  put_wireguard_peer(batch, kFamily, kDevice, peer(), {.endpoint = false});
  EXPECT_FALSE(read(batch).peers.at(0).endpoint);
}

TEST(WireguardMessagesTest, OnlyWhatDiffersOfADeviceIsWritten) {
  const WireguardSettings want{.key = key(4), .port = 51820, .secret = secret(5)};
  NetlinkBatch batch;
  EXPECT_FALSE(put_wireguard(batch, kFamily, {.index = 7, .key = key(4), .port = 51820}, want));
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(put_wireguard(batch, kFamily, {.index = 7, .key = key(4), .mark = 9}, want));
  auto payload = as_answer(batch);
  NetlinkBytes bytes(payload);
  ASSERT_TRUE(take_generic_header(bytes, WG_CMD_GET_DEVICE));
  const NetlinkAttributes<WGDEVICE_A_MAX> data(bytes);
  EXPECT_FALSE(data.has(WGDEVICE_A_PRIVATE_KEY));
  EXPECT_EQ(data.number<std::uint16_t>(WGDEVICE_A_LISTEN_PORT), 51820);
  EXPECT_EQ(data.number<std::uint32_t>(WGDEVICE_A_FWMARK), 0U);
  EXPECT_FALSE(data.has(WGDEVICE_A_FLAGS)) << "the peers would be replaced";
}

TEST(WireguardMessagesTest, APrivateKeyIsWrittenForAnotherPublicOne) {
  NetlinkBatch batch;
  ASSERT_TRUE(put_wireguard(batch, kFamily, {.index = 7, .port = 51820},
                            {.key = key(4), .port = 51820, .secret = secret(5)}));
  auto payload = as_answer(batch);
  NetlinkBytes bytes(payload);
  ASSERT_TRUE(take_generic_header(bytes, WG_CMD_GET_DEVICE));
  const NetlinkAttributes<WGDEVICE_A_MAX> data(bytes);
  EXPECT_EQ(data.at(WGDEVICE_A_PRIVATE_KEY).size(), kWireguardKeySize);
  EXPECT_FALSE(data.has(WGDEVICE_A_LISTEN_PORT)) << "the kernel would open the sockets again";
}

TEST(WireguardMessagesTest, APeerGoesOnInTheNextMessage) {
  WireguardRow row;
  NetlinkBatch first, second;
  WireguardPeer one = peer();
  one.allowed = {prefix("10.5.9.0/24")};
  put_wireguard_peer(first, kFamily, kDevice, one, {});
  WireguardPeer rest{.link = "", .key = one.key, .allowed = {prefix("10.5.2.0/24")}};
  put_wireguard_peer(second, kFamily, kDevice, rest, {});
  ASSERT_TRUE(add_wireguard(as_answer(first), row));
  ASSERT_TRUE(add_wireguard(as_answer(second), row));
  finish(row);
  ASSERT_EQ(row.peers.size(), 1U);
  EXPECT_EQ(row.peers[0].keepalive, 25) << "that of the first message";
  EXPECT_EQ(row.peers[0].allowed,
            (std::vector<IpPrefix>{prefix("10.5.2.0/24"), prefix("10.5.9.0/24")}));
}

TEST(WireguardMessagesTest, DamageDropsWhatIsDamaged) {
  NetlinkBatch batch;
  put_wireguard_peer(batch, kFamily, kDevice, peer(), {});
  const auto whole = as_answer(batch);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    WireguardRow row;
    add_wireguard(NetlinkBytes(whole).first(size), row);
    finish(row);
    EXPECT_LE(row.peers.size(), 1U) << size;
  }
  WireguardRow row;
  EXPECT_FALSE(add_wireguard({}, row));
  auto other = whole;
  other[offsetof(genlmsghdr, cmd)] = std::byte{WG_CMD_SET_DEVICE};
  EXPECT_FALSE(add_wireguard(other, row)) << "another command";
}

TEST(WireguardMessagesTest, TheNumberOfAFamilyIsReadFromTheAnswer) {
  NetlinkBatch answer;
  begin_generic(answer, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, 2);
  answer.put(CTRL_ATTR_FAMILY_NAME, std::string_view("wireguard"));
  answer.put(CTRL_ATTR_FAMILY_ID, kFamily);
  EXPECT_EQ(decode_generic_family(NetlinkReader(answer.bytes(0, 1)).next()->payload), kFamily);
  EXPECT_EQ(decode_generic_family({}), std::nullopt);
}

}  // namespace
}  // namespace flannel::wireguard_messages_test
