// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_threads.h"

#include <gtest/gtest.h>

#include <future>

#include "support/fake_ports.h"
#include "support/no_threads.h"
#include "support/slow_packets.h"

namespace flannel::packet_threads_test {
namespace {

using slow::Bytes;

std::shared_ptr<const ForwardTable> table(std::uint8_t peer) {
  return std::make_shared<ForwardTable>(
      OverlayHost{.v4 = OwnSubnet{.subnet = *IpPrefix::parse_v4("10.5.1.0/24"),
                                  .tunnel_address = IpAddress::v4(10, 5, 1, 0)},
                  .mtu = 1472},
      std::vector<OverlayPeer>{
          {*IpPrefix::parse_v4("10.5.2.0/24"), {IpAddress::v4(192, 0, 2, peer), 8285}}});
}

class PacketThreadsTest : public testing::Test {
 protected:
  void open(PacketThreads::Options options = {}) {
    auto tun = std::make_unique<FakeTun>();
    auto udp = std::make_unique<FakeUdp>();
    tun_ = tun.get();
    udp_ = udp.get();
    sleep_ = tun->sleep = udp->sleep = std::make_shared<FakeSleep>();
    auto waiter = std::make_unique<FakeQueueWaiter>(*tun, *udp, sleep_);
    std::vector<QueuePair> queue_pairs;
    queue_pairs.push_back({std::move(tun), std::move(udp), std::move(waiter)});
    threads_ =
        std::make_unique<PacketThreads>(std::move(queue_pairs), table(2), std::move(options));
  }
  // Waits until `count` datagrams were sent.
  std::vector<FakeUdp::Datagram> sent(std::size_t count) {
    std::vector<FakeUdp::Datagram> all;
    while (all.size() < count) {
      for (auto& one : udp_->take_sent())
        all.push_back(std::move(one));
      std::this_thread::yield();
    }
    return all;
  }

  FakeTun* tun_ = nullptr;
  FakeUdp* udp_ = nullptr;
  std::shared_ptr<FakeSleep> sleep_;
  std::unique_ptr<PacketThreads> threads_;
};

TEST_F(PacketThreadsTest, CarriesPacketsBothWays) {
  open();
  ASSERT_TRUE(threads_->start());
  tun_->host_sends(slow::udp_packet({}, Bytes(100)));
  EXPECT_EQ(sent(1)[0].to, (IpEndpoint{IpAddress::v4(192, 0, 2, 2), 8285}));
  udp_->arrives(IpAddress::v4(192, 0, 2, 2),
                slow::udp_packet({.source = 0x0a050203, .destination = 0x0a050102}, Bytes(50)));
  std::size_t written = 0;  // the counter moves before the write is done
  while (written == 0) {
    written = tun_->take_written().size();
    std::this_thread::yield();
  }
  EXPECT_EQ(written, 1u);
  threads_->stop();
  EXPECT_EQ(threads_->counts().out_packets, 1u);
  EXPECT_EQ(threads_->counts().in_packets, 1u);
}

TEST_F(PacketThreadsTest, StopsAndStartsAgainAndLosesNothingThatWaits) {
  open();
  for (int n = 0; n < 20; ++n) {
    ASSERT_TRUE(threads_->start());
    threads_->stop();
    tun_->host_sends(slow::udp_packet({}, Bytes(8)));
  }
  ASSERT_TRUE(threads_->start());
  EXPECT_EQ(sent(20).size(), 20u);
}

TEST_F(PacketThreadsTest, ANewTableHoldsAndNothingIsLostWhileTablesChange) {
  open();
  ASSERT_TRUE(threads_->start());
  auto all = std::async(std::launch::async, [this] { return sent(5000); });
  for (unsigned n = 0; n < 5000; ++n) {
    if (n % 5 == 0) threads_->publish(table(static_cast<std::uint8_t>(2 + n / 5 % 100)));
    tun_->host_sends(slow::udp_packet({.id = n}, Bytes(8)));
  }
  std::map<IpAddress, unsigned> last;  // identification, by peer
  for (const auto& one : all.get()) {
    const unsigned id = slow::get16(one.bytes, 4);
    const auto [previous, is_first] = last.try_emplace(one.to.ip, id);
    EXPECT_TRUE(is_first || previous->second < id || previous->second - id > 400) << id;
    previous->second = id;
  }
  threads_->publish(table(200));
  tun_->host_sends(slow::udp_packet({}, Bytes(8)));
  EXPECT_EQ(sent(1)[0].to.ip, IpAddress::v4(192, 0, 2, 200));
  threads_->stop();
  EXPECT_EQ(threads_->counts().dropped(), 0u);
}

TEST_F(PacketThreadsTest, OneThreadCarriesBothWaysWhileThereIsLittleToDo) {
  open();
  ASSERT_TRUE(threads_->start());
  constexpr unsigned kPackets = 100;
  for (unsigned n = 0; n < kPackets; ++n) {
    sleep_->wait_until_asleep_on_both();
    tun_->host_sends(slow::udp_packet({}, Bytes(8)));
    sent(1);
  }
  sleep_->wait_until_asleep_on_both();
  unsigned looks = 0;
  unsigned carriers = 0;
  for (const auto& [thread, count] : tun_->polls()) {
    looks += count;
    carriers = std::max(carriers, count);
  }
  // A carrier that lost its CPU in the middle may have called for help.
  EXPECT_LT(looks - carriers, kPackets / 2);
}

TEST_F(PacketThreadsTest, OrderHoldsAndNothingIsLostWhileTheHelperComesAndGoes) {
  open();
  ASSERT_TRUE(threads_->start());
  constexpr unsigned kBurst = 3000;
  unsigned first = 0;
  while (tun_->readers().size() < 2 || first < 20 * kBurst) {  // the helper has come
    auto all = std::async(std::launch::async, [this] { return sent(kBurst); });
    for (unsigned n = 0; n < kBurst; ++n)
      tun_->host_sends(slow::udp_packet({.id = (first + n) & 0xffff}, Bytes(8)));
    unsigned expected = first;
    for (const auto& one : all.get())
      ASSERT_EQ(slow::get16(one.bytes, 4), expected++ & 0xffff);
    first += kBurst;  // and all was sent, so it has gone
  }
  threads_->stop();
  EXPECT_EQ(threads_->counts().out_packets, first);
}

TEST_F(PacketThreadsTest, ADeletedDeviceIsReportedOnce) {
  std::promise<void> gone;
  open({.cpus = {}, .on_gone = [&] { gone.set_value(); }});
  ASSERT_TRUE(threads_->start());
  sleep_->vanish();
  gone.get_future().wait();
  threads_->stop();
}

TEST_F(PacketThreadsTest, AMeterGoesOnCountingWhenThePathIsMadeAgain) {
  const auto counters = std::make_shared<PacketCounters>();
  for (std::uint64_t run = 1; run <= 2; ++run) {
    open({.cpus = {}, .on_gone = {}, .counters = counters});
    ASSERT_TRUE(threads_->start());
    tun_->host_sends(slow::udp_packet({}, Bytes(100)));
    sent(1);
    threads_.reset();
    EXPECT_EQ(counters->read().out_packets, run);
  }
}

TEST_F(PacketThreadsTest, WithoutThreadsStartFailsAndCanBeRepeated) {
  open();
  {
    const NoThreads none;
    const auto started = threads_->start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().text, "start a packet thread: Resource temporarily unavailable");
  }
  tun_->host_sends(slow::udp_packet({}, Bytes(100)));
  ASSERT_TRUE(threads_->start());
  sent(1);
}

TEST_F(PacketThreadsTest, RefusesACpuThatDoesNotExist) {
  open({.cpus = {100000}, .on_gone = {}});
  const auto started = threads_->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().text, "no CPU has the number 100000");
}

}  // namespace
}  // namespace flannel::packet_threads_test
