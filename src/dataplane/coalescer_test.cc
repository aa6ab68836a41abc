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

class CoalescerFixture : public testing::Test {
 protected:
  explicit CoalescerFixture(Family family) : v6_(family == Family::v6) {}

  Bytes tcp(Fields fields, const Bytes& payload) const {
    fields.v6 = v6_;
    return slow::tcp_packet(fields, payload);
  }
  Bytes udp(Fields fields, const Bytes& payload) const {
    fields.v6 = v6_;
    return slow::udp_packet(fields, payload);
  }
  void add(const Bytes& packet) {
    added_.push_back(packet);
    buffers_.push_back(packet);
    coalescer_.add(buffers_.back(), *IpHeader::parse(buffers_.back()));
  }
  // Lengths of what the host got, super-packets in brackets: "[2920/1460] 40". The 20 bytes by
  // which an IPv6 header is longer are not counted.
  std::string written() {
    coalescer_.flush();
    std::string text;
    for (FakeTun::Frame& frame : tun_.take_written()) {
      if (!text.empty()) text += ' ';
      const std::string length = std::to_string(frame.bytes.size() - (v6_ ? 20 : 0));
      text += frame.offload.cut == Cut::none
                  ? length
                  : "[" + length + "/" + std::to_string(frame.offload.segment_size) + "]";
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
  bool v6_;
};

class CoalescerTest : public CoalescerFixture, public testing::WithParamInterface<Family> {
 protected:
  CoalescerTest() : CoalescerFixture(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Of, CoalescerTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

class Coalescer4Test : public CoalescerFixture {
 protected:
  Coalescer4Test() : CoalescerFixture(Family::v4) {}
};
class Coalescer6Test : public CoalescerFixture {
 protected:
  Coalescer6Test() : CoalescerFixture(Family::v6) {}
};

TEST_P(CoalescerTest, JoinsATcpFlow) {
  for (unsigned n = 0; n < 3; ++n)
    add(tcp(nth(n), data()));
  add(tcp(nth(3), data(40)));
  EXPECT_EQ(written(), "[380/100]");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, TheOffloadHasTheChecksumAndTheSegmentSize) {
  add(tcp(nth(0), data()));
  add(tcp(nth(1), data()));
  coalescer_.flush();
  const auto frames = tun_.take_written();
  ASSERT_EQ(frames.size(), 1u);
  const std::uint16_t start = v6_ ? 40 : 20;
  EXPECT_EQ(frames[0].offload, (Offload{.checksum_unfinished = true,
                                        .checksum_start = start,
                                        .checksum_offset = 16,
                                        .cut = Cut::tcp,
                                        .header_length = static_cast<std::uint16_t>(start + 20),
                                        .segment_size = 100}));
  EXPECT_EQ(slow::get16(frames[0].bytes, start + 16u), slow::pseudo_sum(frames[0].bytes));
  if (v6_) {
    EXPECT_EQ(slow::get16(frames[0].bytes, 4), frames[0].bytes.size() - 40);
  } else {
    EXPECT_EQ(slow::sum(frames[0].bytes, 0, 20), 0xffffu);
  }
}

TEST_P(CoalescerTest, JoinsAUdpFlow) {
  for (unsigned n = 0; n < 4; ++n)
    add(udp({.id = 1 + n}, data(n < 3 ? 64 : 10)));
  EXPECT_EQ(written(), "[230/64]");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, ALonePacketIsNotTouched) {
  add(tcp({}, data()));
  EXPECT_EQ(written(), "140");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, AShortPacketEndsTheSuperPacket) {
  add(tcp(nth(0), data()));
  add(tcp(nth(1), data(40)));
  Fields next = nth(2);
  next.sequence = 1140;
  add(tcp(next, data(40)));
  EXPECT_EQ(written(), "[180/100] 80");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, ALongerPacketBeginsItsOwn) {
  add(udp({.id = 1}, data(64)));
  add(udp({.id = 2}, data(65)));
  EXPECT_EQ(written(), "92 93");
}

TEST_P(CoalescerTest, APushEndsTheSuperPacketAndStaysAtItsEnd) {
  for (unsigned n = 0; n < 4; ++n) {
    Fields fields = nth(n);
    if (n == 1) fields.flags |= 0x08;
    add(tcp(fields, data()));
  }
  EXPECT_EQ(written(), "[240/100] [240/100]");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, FlowsAreJoinedEachByItself) {
  for (unsigned n = 0; n < 3; ++n) {
    for (unsigned port = 1; port <= 4; ++port) {
      Fields fields = nth(n);
      fields.source_port = port;
      add(tcp(fields, data()));
    }
  }
  EXPECT_EQ(written(), "[340/100] [340/100] [340/100] [340/100]");
}

TEST_P(CoalescerTest, MoreFlowsThanPlacesLoseNothing) {
  for (unsigned n = 0; n < 2; ++n) {
    for (unsigned port = 1; port <= 20; ++port) {
      Fields fields = nth(n);
      fields.source_port = port;
      add(tcp(fields, data()));
    }
  }
  written();
  EXPECT_EQ(received_.size(), 40u);
}

TEST_P(CoalescerTest, NeverExceedsAnIpPacket) {
  for (unsigned n = 0; n < 50; ++n)
    add(tcp(nth(n, 1432), data(1432)));
  EXPECT_EQ(written(), "[64480/1432] [7200/1432]");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, NeverHasMoreParts) {
  for (unsigned n = 0; n < 130; ++n)
    add(udp({.id = 1 + n}, data(10)));
  EXPECT_EQ(written(), "[1308/10] [48/10]");
  EXPECT_EQ(received_, added_);
}

struct Difference {
  Family family;
  const char* name;
  void (*make)(Fields& second);
};

class CoalescerDifference : public CoalescerFixture,
                            public testing::WithParamInterface<Difference> {
 protected:
  CoalescerDifference() : CoalescerFixture(GetParam().family) {}
};

TEST_P(CoalescerDifference, IsNotJoined) {
  add(tcp(nth(0), data()));
  Fields second = nth(1);
  GetParam().make(second);
  add(tcp(second, data()));
  EXPECT_EQ(written().find('['), std::string::npos);
  ASSERT_EQ(received_.size(), 2u);
  EXPECT_EQ(received_, added_);
}

std::vector<Difference> differences() {
  std::vector<Difference> all{
      {Family::v4, "dont_fragment", [](Fields& f) { f.dont_fragment = false; }},
      {Family::v4, "identification", [](Fields& f) { f.id += 1; }},
      {Family::v4, "ip_options", [](Fields& f) { f.ip_options = Bytes(4, 1); }},
      {Family::v6, "flow_label", [](Fields& f) { f.flow_label += 1; }},
      {Family::v6, "hop_by_hop", [](Fields& f) { f.extensions = {0}; }},
      {Family::v6, "routing_header", [](Fields& f) { f.extensions = {43}; }},
      {Family::v6, "whole_fragment", [](Fields& f) { f.extensions = {44}; }},
      {Family::v6, "destination_options", [](Fields& f) { f.extensions = {60}; }}};
  for (const Family family : {Family::v4, Family::v6}) {
    const std::vector<Difference> of_both{
        {family, "sequence", [](Fields& f) { f.sequence += 1; }},
        {family, "acknowledgement", [](Fields& f) { f.acknowledgement += 1; }},
        {family, "window", [](Fields& f) { f.window += 1; }},
        {family, "ttl", [](Fields& f) { f.ttl -= 1; }},
        {family, "tos", [](Fields& f) { f.tos = 3; }},
        {family, "options", [](Fields& f) { f.tcp_options = Bytes(4, 1); }},
        {family, "syn", [](Fields& f) { f.flags |= 0x02; }},
        {family, "fin", [](Fields& f) { f.flags |= 0x01; }},
        {family, "rst", [](Fields& f) { f.flags |= 0x04; }},
        {family, "urg", [](Fields& f) { f.flags |= 0x20; }},
        {family, "ece", [](Fields& f) { f.flags |= 0x40; }},
        {family, "cwr", [](Fields& f) { f.flags |= 0x80; }},
        {family, "no_ack", [](Fields& f) { f.flags = 0; }}};
    all.insert(all.end(), of_both.begin(), of_both.end());
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Of, CoalescerDifference, testing::ValuesIn(differences()),
                         [](const auto& difference) {
                           return std::string(to_string(difference.param.family)) + "_" +
                                  difference.param.name;
                         });

// Packets with extension headers are alike, and still not joined.
TEST_F(Coalescer6Test, ExtensionHeadersAreNeverJoined) {
  for (const unsigned extension : {0u, 43u, 44u, 60u}) {
    for (unsigned n = 0; n < 2; ++n) {
      Fields fields = nth(n);
      fields.extensions = {extension};
      add(tcp(fields, data()));
    }
  }
  EXPECT_EQ(written(), "148 148 148 148 148 148 148 148");
  EXPECT_EQ(received_, added_);
}

// A later fragment does not say which protocol it belongs to.
TEST_F(Coalescer6Test, NothingOvertakesAFragmentOfItsHosts) {
  for (const unsigned fragment : {1u, 0x28u}) {
    add(tcp(nth(0), data()));
    add(udp({}, data()));
    add(udp({.extensions = {44}, .fragment = fragment}, data(96)));
    add(udp({}, Bytes(100, 'e')));
    add(udp({.source = 0x0a050109}, data()));
    written();
  }
  EXPECT_EQ(received_.size(), 10u);
  const auto position = [&](std::size_t n) { return std::ranges::find(received_, added_[n]); };
  EXPECT_LT(position(1), position(2)) << "UDP before the first fragment";
  EXPECT_LT(position(2), position(3));
  const auto second_round = received_.begin() + 5;
  for (const std::size_t n : {5u, 6u}) {
    EXPECT_LT(std::find(second_round, received_.end(), added_[n]),
              std::find(second_round, received_.end(), added_[7]))
        << "both protocols before a later fragment";
  }
}

TEST_P(CoalescerTest, ADamagedPacketStaysDamagedAndAlone) {
  add(tcp(nth(0), data()));
  Bytes damaged = tcp(nth(1), data());
  damaged.back() ^= 1;
  add(damaged);
  add(tcp(nth(2), data()));
  EXPECT_EQ(written(), "140 140 140");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, UdpWithoutAChecksumIsNotJoined) {
  for (unsigned n = 0; n < 2; ++n) {
    Bytes packet = udp({.id = 1 + n}, data());
    slow::put16(packet, slow::checksum_at(packet), 0);
    add(packet);
  }
  EXPECT_EQ(written(), "128 128");
}

TEST_F(Coalescer4Test, FragmentsPassUntouchedAndInTheirPlace) {
  add(udp({.id = 1}, data()));
  Bytes fragment = udp({.id = 2, .dont_fragment = false}, data(96));
  fragment[6] = 0x20;
  slow::put16(fragment, 10, 0);
  slow::put16(fragment, 10, 0xffff - slow::sum(fragment, 0, 20));
  add(fragment);
  add(udp({.id = 3}, data()));
  EXPECT_EQ(written(), "128 124 128");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, APureAcknowledgementDoesNotOvertakeData) {
  add(tcp(nth(0), data()));
  add(tcp(nth(1), data()));
  add(tcp(nth(2), {}));
  EXPECT_EQ(written(), "[240/100] 40");
  EXPECT_EQ(received_, added_);
}

TEST_F(Coalescer4Test, EqualIdentificationsMayBeRenumberedWhereTheyMeanNothing) {
  for (int n = 0; n < 3; ++n)
    add(udp({.id = 0}, data()));
  EXPECT_EQ(written(), "[328/100]");
  for (int n = 0; n < 2; ++n)
    add(udp({.id = 0, .dont_fragment = false}, data()));
  EXPECT_EQ(written(), "128 128");
}

TEST_P(CoalescerTest, OtherProtocolsPass) {
  Bytes icmp = slow::ip_packet({.v6 = v6_}, v6_ ? 58 : 1, {128, 0, 0xf7, 0xff, 0, 0, 0, 0});
  slow::finish(icmp);
  add(icmp);
  EXPECT_EQ(written(), "28");
  EXPECT_EQ(received_, added_);
}

TEST_P(CoalescerTest, ARefusedSuperPacketIsWrittenInPartsAndNotTriedAgain) {
  tun_.super_result = TunWrite::refused;
  for (unsigned n = 0; n < 3; ++n)
    add(tcp(nth(n), data()));
  EXPECT_EQ(written(), "140 140 140");
  EXPECT_EQ(received_, added_);
  tun_.super_result = TunWrite::done;
  for (unsigned n = 3; n < 5; ++n)
    add(tcp(nth(n), data()));
  EXPECT_EQ(written(), "140 140");
  EXPECT_EQ(tun_.super_writes, 1) << "the kernel is not asked twice";
  for (unsigned n = 0; n < 2; ++n)
    add(udp({.id = 1 + n}, data()));
  EXPECT_EQ(written(), "[228/100]") << "udp was not refused";
}

TEST_P(CoalescerTest, ARefusalIsFinalForTheFlowsStillHeld) {
  tun_.super_result = TunWrite::refused;
  for (unsigned n = 0; n < 2; ++n) {
    for (unsigned port = 1; port <= 3; ++port) {
      Fields fields = nth(n);
      fields.source_port = port;
      add(tcp(fields, data()));
    }
  }
  EXPECT_EQ(written(), "140 140 140 140 140 140");
  EXPECT_EQ(tun_.super_writes, 1);
}

TEST_P(CoalescerTest, WhatTheDeviceLosesIsCounted) {
  tun_.super_result = TunWrite::lost;
  tun_.plain_result = TunWrite::lost;
  for (unsigned n = 0; n < 3; ++n)
    add(tcp(nth(n), data()));
  add(tcp({.flags = 0x12}, {}));
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
  coalescer.add(first, *IpHeader::parse(first));
  coalescer.add(second, *IpHeader::parse(second));
  EXPECT_EQ(tun.take_written().size(), 2u);
}

}  // namespace
}  // namespace flannel::coalescer_test
