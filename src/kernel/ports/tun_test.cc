// SPDX-License-Identifier: Apache-2.0
// TUN devices of the real kernel, in a network namespace of the test.
#include "kernel/ports/tun.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "kernel/ports/stale_tun.h"
#include "kernel/ports/tun_port.h"
#include "support/fresh_netns.h"
#include "support/slow_packets.h"

namespace flannel::tun_test {
namespace {

using slow::Bytes;
using ::testing::ElementsAre;

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return *std::move(result);
}

class TunTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped() && ::access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no /dev/net/tun";
    }
  }
  static std::vector<std::string> left_in(std::span<const IpPrefix> networks,
                                          bool holds_queues = false) {
    NetlinkSocket socket = must(NetlinkSocket::open());
    return must(left_tuns(socket, networks, holds_queues));
  }
  static std::string error(const TunOptions& options) {
    const auto device = open_tun(options);
    return device ? "none" : device.error().text;
  }
};

TEST_F(TunTest, TakesTheFirstFreeNumber) {
  const TunDevice first = must(open_tun({}));
  EXPECT_EQ(first.name, "flannel0");
  EXPECT_FALSE(first.adopted);
  EXPECT_EQ(must(open_tun({})).name, "flannel1") << "flannel0 is in use";
}

TEST_F(TunTest, LeavesDevicesOfOthersAlone) {
  shell("ip link add flannel0 type bridge; ip tuntap add flannel1 mode tap");
  EXPECT_EQ(must(open_tun({})).name, "flannel2");
  EXPECT_EQ(error({.name = "flannel0"}), "every device flannel0 is in use");
}

TEST_F(TunTest, GoesWithItsLastQueueUnlessPersistent) {
  must(open_tun({}));
  EXPECT_THROW(shell("ip link show flannel0"), std::runtime_error);
  must(open_tun({.persistent = true}));
  shell("ip link show flannel0");
}

TEST_F(TunTest, AdoptsThePersistentDeviceOfAnEarlierRun) {
  must(open_tun({.persistent = true}));
  shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 up");
  TunDevice device = must(open_tun({.persistent = true}));
  EXPECT_EQ(device.name, "flannel0");
  EXPECT_TRUE(device.adopted);
  EXPECT_NE(shell("ip addr show flannel0").find("10.5.1.0/16"), std::string::npos);
  EXPECT_EQ(must(open_tun({.persistent = true})).name, "flannel1") << "now it is in use";

  ASSERT_TRUE(set_persistent(device, false));
  device.queues.clear();
  EXPECT_THROW(shell("ip link show flannel0"), std::runtime_error);
}

TEST_F(TunTest, AnAddressStaysWhenTheOneBeforeItGoes) {
  const TunDevice device = must(open_tun({}));
  shell("ip addr add 10.5.7.0/16 dev flannel0; ip addr add 10.5.1.0/16 dev flannel0");
  shell("ip addr del 10.5.7.0/16 dev flannel0");
  EXPECT_NE(shell("ip addr show flannel0").find("10.5.1.0/16"), std::string::npos);
}

TEST_F(TunTest, OfWhatEarlierRunsLeftTakesTheDeviceOfItsNetwork) {
  const IpPrefix network = *IpPrefix::parse_v4("10.5.0.0/16");
  must(open_tun({.persistent = true}));
  shell("ip addr add 10.6.1.0/16 dev flannel0");
  const TunOptions options{.networks = {network}, .persistent = true};
  EXPECT_EQ(must(open_tun(options)).name, "flannel1") << "flannel0 is of another network";
  shell("ip addr add 10.5.1.0/16 dev flannel1; ip tuntap add flannel2 mode tun");
  must(open_tun({.name = "flannel3", .persistent = true}));
  shell("ip link del flannel0");
  const TunDevice again = must(open_tun(options));
  EXPECT_EQ(again.name, "flannel1") << "though the number 0 is free";
  EXPECT_TRUE(again.adopted);
}

TEST_F(TunTest, TakesTheDeviceOfAnyOfItsNetworks) {
  const TunOptions options{
      .networks = {*IpPrefix::parse("10.5.0.0/16"), *IpPrefix::parse("10.6.0.0/16")},
      .persistent = true};
  must(open_tun({.persistent = true}));
  shell("ip addr add 10.7.0.1/16 dev flannel0");
  must(open_tun({.name = "flannel1", .persistent = true}));
  shell("ip addr add 10.6.0.1/16 dev flannel1");
  EXPECT_EQ(must(open_tun(options)).name, "flannel1");
  EXPECT_THAT(left_in(options.networks), ElementsAre("flannel1"));
}

TEST_F(TunTest, ADeviceWithTheOtherKindOfQueuesIsMadeAnew) {
  const IpPrefix network = *IpPrefix::parse_v4("10.5.0.0/16");
  for (const int queues : {1, 2, 1}) {
    const TunDevice device =
        must(open_tun({.networks = {network}, .queues = queues, .persistent = true}));
    EXPECT_EQ(device.name, "flannel0");
    EXPECT_FALSE(device.adopted);
    shell("ip addr add 10.5.1.0/16 dev flannel0");
  }
}

TEST_F(TunTest, FindsWhatWasLeftOfANetworkAndNothingElse) {
  must(open_tun({.persistent = true}));
  must(open_tun({.name = "flannel1", .queues = 2, .persistent = true}));
  must(open_tun({.name = "flannel2", .persistent = true}));
  const TunDevice in_use = must(open_tun({.name = "flannel3", .persistent = true}));
  shell("ip addr add 10.5.1.0/16 dev flannel0; ip addr add 10.5.2.0/16 dev flannel1");
  shell("ip addr add 10.6.1.0/16 dev flannel2; ip addr add 10.5.3.0/16 dev flannel3");
  const std::vector network{*IpPrefix::parse_v4("10.5.0.0/16")};
  // Whether a process has a device with a single queue open, only an attempt to attach shows.
  EXPECT_THAT(left_in(network), ElementsAre("flannel0", "flannel1", "flannel3"));
}

TEST_F(TunTest, ADeviceWhoseQueuesWereKeptWasLeft) {
  const std::vector network{*IpPrefix::parse_v4("10.5.0.0/16")};
  const TunDevice kept = must(open_tun({.queues = 2, .persistent = true}));
  shell("ip addr add 10.5.1.0/16 dev flannel0");
  EXPECT_THAT(left_in(network), ElementsAre());
  EXPECT_THAT(left_in(network, true), ElementsAre("flannel0"));
}

// An earlier run left the device, with a route that captures addresses which this host needs at the
// start.
TEST_F(TunTest, ALeftDeviceIsInTheWayOfWhatItsRouteTakes) {
  for (const int queues : {1, 2}) {
    const std::vector<IpAddress> needed{IpAddress::v4(192, 0, 2, 9), IpAddress::v4(10, 5, 9, 9)};
    {
      const auto used = open_tun({.queues = queues, .persistent = true});
      ASSERT_TRUE(used) << used.error().text;
      EXPECT_TRUE(must(tuns_in_the_way(needed)).empty());
      shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 up");
      EXPECT_EQ(must(tuns_in_the_way(needed)), std::vector<std::string>{"flannel0"});
      EXPECT_TRUE(must(tuns_in_the_way(std::vector{IpAddress::v4(192, 0, 2, 9)})).empty());
      EXPECT_FALSE(must(remove_if_stale("flannel0"))) << "a process has it open";
    }
    EXPECT_TRUE(must(remove_if_stale("flannel0")));
    EXPECT_TRUE(must(tuns_in_the_way(needed)).empty());
    EXPECT_FALSE(must(remove_if_stale("flannel0"))) << "there is none";
  }
}

TEST_F(TunTest, HasSeveralQueuesWhereAsked) {
  const TunDevice device = must(open_tun({.queues = 3, .persistent = true}));
  EXPECT_EQ(device.queues.size(), 3u);
  EXPECT_EQ(must(open_tun({.queues = 3})).name, "flannel1") << "a queue more would be let in";
}

TEST_F(TunTest, AQueueKeptOpenLosesNothing) {
  TunDevice before = must(open_tun({}));
  shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 up");
  std::vector<Fd> kept = std::move(before.queues);
  const Fd sender{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  to.sin_addr.s_addr = htonl(0x0a050203);
  ASSERT_EQ(::sendto(sender.get(), "waits", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 5);

  TunDevice after = must(resume_tun(std::move(kept), {}));
  EXPECT_EQ(after.name, "flannel0");
  EXPECT_TRUE(after.abilities.header);
  TunQueuePort port(std::move(after.queues[0]), after.abilities);
  Bytes packet(kTunReadSize);
  while (const auto read = port.read(packet)) {
    if (packet[0] >> 4 != 4) continue;  // the device's IPv6 solicitations
    EXPECT_EQ(read->size, 33u);
    EXPECT_EQ(std::string(packet.begin() + 28, packet.begin() + 33), "waits");
    return;
  }
  FAIL() << "nothing waited";
}

TEST_F(TunTest, RefusesToResumeWhatIsNoTunQueue) {
  std::vector<Fd> queues;
  queues.emplace_back(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(resume_tun(std::move(queues), {}));
  EXPECT_FALSE(resume_tun({}, {}));
}

}  // namespace
}  // namespace flannel::tun_test
