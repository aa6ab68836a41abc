// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coalescer.h"

#include <gtest/gtest.h>

#include <deque>

#include "support/fake_ports.h"
#include "support/slow_packets.h"

namespace flannel::coalescer_test {
namespace {

using slow::Bytes;
using slow::Fields;
using Cut = Offload::Cut;

class CoalescerTest : public testing::Test {
 protected:
  void add(const Bytes& packet) {
    added_.push_back(packet);
    buffers_.push_back(packet);
    coalescer_.add(buffers_.back(), *Ip4Header::parse(buffers_.back()));
  }
  // Lengths of what the host got, super-packets in brackets: "[2920/1460] 40".
  std::string written() {
    coalescer_.flush();
    std::string text;
    for (FakeTun::Frame& frame : tun_.take_written()) {
      if (!text.empty()) text += ' ';
      text += frame.offload.cut == Cut::none ? std::to_string(frame.bytes.size())
                                             : "[" + std::to_string(frame.bytes.size()) + "/" +
                                                   std::to_string(frame.offload.segment_size) + "]";
      for (Bytes& part : slow::cut(frame.bytes, frame.offload))
        received_.push_back(part);
    }
    return text;
  }
  // The n-th data packet of a TCP flow that sends `size` bytes at a time.
  static Fields nth(unsigned n, std::size_t size = 100) {
    return {.id = 1 + n, .sequence = static_cast<std::uint32_t>(1000 + n * size)};
  }
  static Bytes data(std::size_t size = 100) { return Bytes(size, 'd'); }

  FakeTun tun_;
  PacketTallies tallies_;
  Coalescer coalescer_{tun_, tallies_};
  std::deque<Bytes> buffers_;
  std::vector<Bytes> added_;
  std::vector<Bytes> received_;
};

TEST_F(CoalescerTest, JoinsATcpFlow) {
  for (unsigned n = 0; n < 3; ++n)
    add(slow::tcp_packet(nth(n), data()));
  add(slow::tcp_packet(nth(3), data(40)));
  EXPECT_EQ(written(), "[380/100]");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, TheOffloadHasTheChecksumAndTheSegmentSize) {
  add(slow::tcp_packet(nth(0), data()));
  add(slow::tcp_packet(nth(1), data()));
  coalescer_.flush();
  const auto frames = tun_.take_written();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].offload, (Offload{.checksum_unfinished = true,
                                        .checksum_start = 20,
                                        .checksum_offset = 16,
                                        .cut = Cut::tcp4,
                                        .header_length = 40,
                                        .segment_size = 100}));
  EXPECT_EQ(slow::get16(frames[0].bytes, 36), slow::pseudo_sum(frames[0].bytes));
  EXPECT_EQ(slow::sum(frames[0].bytes, 0, 20), 0xffffu);
}

TEST_F(CoalescerTest, JoinsAUdpFlow) {
  for (unsigned n = 0; n < 4; ++n)
    add(slow::udp_packet({.id = 1 + n}, data(n < 3 ? 64 : 10)));
  EXPECT_EQ(written(), "[230/64]");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, ALonePacketIsNotTouched) {
  add(slow::tcp_packet({}, data()));
  EXPECT_EQ(written(), "140");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, AShortPacketEndsTheSuperPacket) {
  add(slow::tcp_packet(nth(0), data()));
  add(slow::tcp_packet(nth(1), data(40)));
  Fields next = nth(2);
  next.sequence = 1140;
  add(slow::tcp_packet(next, data(40)));
  EXPECT_EQ(written(), "[180/100] 80");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, ALongerPacketBeginsItsOwn) {
  add(slow::udp_packet({.id = 1}, data(64)));
  add(slow::udp_packet({.id = 2}, data(65)));
  EXPECT_EQ(written(), "92 93");
}

TEST_F(CoalescerTest, APushEndsTheSuperPacketAndStaysAtItsEnd) {
  for (unsigned n = 0; n < 4; ++n) {
    Fields fields = nth(n);
    if (n == 1) fields.flags |= 0x08;
    add(slow::tcp_packet(fields, data()));
  }
  EXPECT_EQ(written(), "[240/100] [240/100]");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, FlowsAreJoinedEachByItself) {
  for (unsigned n = 0; n < 3; ++n) {
    for (unsigned port = 1; port <= 4; ++port) {
      Fields fields = nth(n);
      fields.source_port = port;
      add(slow::tcp_packet(fields, data()));
    }
  }
  EXPECT_EQ(written(), "[340/100] [340/100] [340/100] [340/100]");
}

TEST_F(CoalescerTest, MoreFlowsThanPlacesLoseNothing) {
  for (unsigned n = 0; n < 2; ++n) {
    for (unsigned port = 1; port <= 20; ++port) {
      Fields fields = nth(n);
      fields.source_port = port;
      add(slow::tcp_packet(fields, data()));
    }
  }
  written();
  EXPECT_EQ(received_.size(), 40u);
}

TEST_F(CoalescerTest, NeverExceedsAnIpPacket) {
  for (unsigned n = 0; n < 50; ++n)
    add(slow::tcp_packet(nth(n, 1432), data(1432)));
  EXPECT_EQ(written(), "[64480/1432] [7200/1432]");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, NeverHasMoreParts) {
  for (unsigned n = 0; n < 130; ++n)
    add(slow::udp_packet({.id = 1 + n}, data(10)));
  EXPECT_EQ(written(), "[1308/10] [48/10]");
  EXPECT_EQ(received_, added_);
}

struct Difference {
  const char* name;
  void (*make)(Fields& second);
};

class CoalescerDifference : public CoalescerTest, public testing::WithParamInterface<Difference> {};

TEST_P(CoalescerDifference, IsNotJoined) {
  add(slow::tcp_packet(nth(0), data()));
  Fields second = nth(1);
  GetParam().make(second);
  add(slow::tcp_packet(second, data()));
  EXPECT_EQ(written().find('['), std::string::npos);
  ASSERT_EQ(received_.size(), 2u);
  EXPECT_EQ(received_, added_);
}

INSTANTIATE_TEST_SUITE_P(
    Of, CoalescerDifference,
    testing::Values(Difference{"sequence", [](Fields& f) { f.sequence += 1; }},
                    Difference{"acknowledgement", [](Fields& f) { f.acknowledgement += 1; }},
                    Difference{"window", [](Fields& f) { f.window += 1; }},
                    Difference{"ttl", [](Fields& f) { f.ttl -= 1; }},
                    Difference{"tos", [](Fields& f) { f.tos = 3; }},
                    Difference{"dont_fragment", [](Fields& f) { f.dont_fragment = false; }},
                    Difference{"identification", [](Fields& f) { f.id += 1; }},
                    Difference{"options", [](Fields& f) { f.tcp_options = Bytes(4, 1); }},
                    Difference{"ip_options", [](Fields& f) { f.ip_options = Bytes(4, 1); }},
                    Difference{"syn", [](Fields& f) { f.flags |= 0x02; }},
                    Difference{"fin", [](Fields& f) { f.flags |= 0x01; }},
                    Difference{"rst", [](Fields& f) { f.flags |= 0x04; }},
                    Difference{"urg", [](Fields& f) { f.flags |= 0x20; }},
                    Difference{"ece", [](Fields& f) { f.flags |= 0x40; }},
                    Difference{"cwr", [](Fields& f) { f.flags |= 0x80; }},
                    Difference{"no_ack", [](Fields& f) { f.flags = 0; }}),
    [](const auto& difference) { return difference.param.name; });

TEST_F(CoalescerTest, ADamagedPacketStaysDamagedAndAlone) {
  add(slow::tcp_packet(nth(0), data()));
  Bytes damaged = slow::tcp_packet(nth(1), data());
  damaged.back() ^= 1;
  add(damaged);
  add(slow::tcp_packet(nth(2), data()));
  EXPECT_EQ(written(), "140 140 140");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, UdpWithoutAChecksumIsNotJoined) {
  for (unsigned n = 0; n < 2; ++n) {
    Bytes packet = slow::udp_packet({.id = 1 + n}, data());
    slow::put16(packet, 26, 0);
    add(packet);
  }
  EXPECT_EQ(written(), "128 128");
}

TEST_F(CoalescerTest, FragmentsPassUntouchedAndInTheirPlace) {
  add(slow::udp_packet({.id = 1}, data()));
  Bytes fragment = slow::udp_packet({.id = 2, .dont_fragment = false}, data(96));
  fragment[6] = 0x20;
  slow::put16(fragment, 10, 0);
  slow::put16(fragment, 10, 0xffff - slow::sum(fragment, 0, 20));
  add(fragment);
  add(slow::udp_packet({.id = 3}, data()));
  EXPECT_EQ(written(), "128 124 128");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, APureAcknowledgementDoesNotOvertakeData) {
  add(slow::tcp_packet(nth(0), data()));
  add(slow::tcp_packet(nth(1), data()));
  add(slow::tcp_packet(nth(2), {}));
  EXPECT_EQ(written(), "[240/100] 40");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, EqualIdentificationsMayBeRenumberedWhereTheyMeanNothing) {
  for (int n = 0; n < 3; ++n)
    add(slow::udp_packet({.id = 0}, data()));
  EXPECT_EQ(written(), "[328/100]");
  for (int n = 0; n < 2; ++n)
    add(slow::udp_packet({.id = 0, .dont_fragment = false}, data()));
  EXPECT_EQ(written(), "128 128");
}

TEST_F(CoalescerTest, OtherProtocolsPass) {
  const Bytes icmp = [] {
    Bytes packet = slow::ip_packet({}, 1, {8, 0, 0xf7, 0xff, 0, 0, 0, 0});
    slow::finish(packet);
    return packet;
  }();
  add(icmp);
  EXPECT_EQ(written(), "28");
  EXPECT_EQ(received_, added_);
}

TEST_F(CoalescerTest, ARefusedSuperPacketIsWrittenInPartsAndNotTriedAgain) {
  tun_.super_result = TunWrite::refused;
  for (unsigned n = 0; n < 3; ++n)
    add(slow::tcp_packet(nth(n), data()));
  EXPECT_EQ(written(), "140 140 140");
  EXPECT_EQ(received_, added_);
  tun_.super_result = TunWrite::done;
  for (unsigned n = 3; n < 5; ++n)
    add(slow::tcp_packet(nth(n), data()));
  EXPECT_EQ(written(), "140 140");
  EXPECT_EQ(tun_.super_writes, 1) << "the kernel is not asked twice";
  for (unsigned n = 0; n < 2; ++n)
    add(slow::udp_packet({.id = 1 + n}, data()));
  EXPECT_EQ(written(), "[228/100]") << "udp was not refused";
}

TEST_F(CoalescerTest, ARefusalIsFinalForTheFlowsStillHeld) {
  tun_.super_result = TunWrite::refused;
  for (unsigned n = 0; n < 2; ++n) {
    for (unsigned port = 1; port <= 3; ++port) {
      Fields fields = nth(n);
      fields.source_port = port;
      add(slow::tcp_packet(fields, data()));
    }
  }
  EXPECT_EQ(written(), "140 140 140 140 140 140");
  EXPECT_EQ(tun_.super_writes, 1);
}

TEST_F(CoalescerTest, WhatTheDeviceLosesIsCounted) {
  tun_.super_result = TunWrite::lost;
  tun_.plain_result = TunWrite::lost;
  for (unsigned n = 0; n < 3; ++n)
    add(slow::tcp_packet(nth(n), data()));
  add(slow::tcp_packet({.flags = 0x12}, {}));
  coalescer_.flush();
  EXPECT_EQ(tallies_[Drop::in_write_failed].get(), 4u);
}

TEST(CoalescerOfAPlainDevice, JoinsNothing) {
  FakeTun tun;
  tun.takes_tcp = tun.takes_udp = false;
  PacketTallies tallies;
  Coalescer coalescer{tun, tallies};
  Bytes first = slow::udp_packet({.id = 1}, Bytes(10));
  Bytes second = slow::udp_packet({.id = 2}, Bytes(10));
  coalescer.add(first, *Ip4Header::parse(first));
  coalescer.add(second, *Ip4Header::parse(second));
  EXPECT_EQ(tun.take_written().size(), 2u);
}

}  // namespace
}  // namespace flannel::coalescer_test
