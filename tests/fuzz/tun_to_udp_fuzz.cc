// SPDX-License-Identifier: Apache-2.0
// Whatever the TUN device hands out, the datagrams sent are whole IP packets to an address of a
// peer, and answers are valid.
//
// Input: records of flags (1), checksum start, checksum offset, segment size, length (2 each),
// packet.
#include <cstdlib>

#include "dataplane/tx_path.h"
#include "support/fake_ports.h"
#include "support/slow_packets.h"

namespace flannel {
namespace {

using slow::Bytes;

void require(bool holds) {
  if (!holds) std::abort();
}

class Input {
 public:
  explicit Input(ByteView bytes) : rest_(bytes) {}
  bool has(std::size_t size) const { return rest_.size() >= size; }
  unsigned number(std::size_t size) {
    unsigned value = 0;
    for (; size > 0; --size, rest_ = rest_.subspan(1))
      value = value * 256 + rest_[0];
    return value;
  }
  Bytes bytes(std::size_t size) {
    const ByteView taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }

 private:
  ByteView rest_;
};

void check(const FakeUdp::Datagram& sent) {
  const Bytes& packet = sent.bytes;
  require(sent.to.port == 8285);
  if (slow::is_v6(packet)) {
    require(packet.size() >= 40 && slow::get16(packet, 4) + std::size_t{40} == packet.size());
    require(packet[24] != 0xff && (packet[24] != 0xfe || packet[25] / 64 != 2));  // link-local
  } else {
    require(packet.size() >= 20 && packet[0] >> 4 == 4);
    require(slow::get16(packet, 2) == packet.size());
  }
}

void run(Input input) {
  static const ForwardTable table{
      {.v4 = OwnSubnet{.subnet = slow::network(0x0a050100, false),
                       .tunnel_address = slow::address(0x0a050100, false)},
       .v6 = OwnSubnet{.subnet = slow::network(0x0a050100, true),
                       .tunnel_address = slow::address(0x0a050100, true)},
       .mtu = 1472},
      {{slow::network(0x0a050200, false), {IpAddress::v4(192, 0, 2, 2), 8285}},
       {slow::network(0x0a050200, true), {*IpAddress::parse("2001:db8::2"), 8285}},
       {*IpPrefix::parse("128.0.0.0/1"), {IpAddress::v4(192, 0, 2, 3), 8285}},
       {*IpPrefix::parse("8000::/1"), {IpAddress::v4(192, 0, 2, 3), 8285}}}};
  FakeTun tun;
  FakeUdp udp;
  PacketTallies tallies;
  TxPath path{tun, udp, tallies};
  while (input.has(9)) {
    const unsigned flags = input.number(1);
    Offload offload;
    offload.checksum_unfinished = (flags & 1) != 0;
    offload.checksum_start = static_cast<std::uint16_t>(input.number(2));
    offload.checksum_offset = static_cast<std::uint16_t>(input.number(2));
    offload.segment_size = static_cast<std::uint16_t>(input.number(2));
    offload.cut = static_cast<Offload::Cut>((flags >> 1) % 3);
    Bytes packet = input.bytes(input.number(2));
    if ((flags & 8) != 0 && packet.size() >= 40 && slow::is_v6(packet)) {
      slow::put16(packet, 4, static_cast<unsigned>(packet.size() - 40));
    } else if ((flags & 8) != 0 && packet.size() >= 20) {
      slow::put16(packet, 2, static_cast<unsigned>(packet.size()));
    }
    tun.host_sends(std::move(packet), offload);
  }
  while (path.step(table, TimePoint{std::chrono::hours(1)})) {
  }
  const auto sent = udp.take_sent();
  for (const FakeUdp::Datagram& one : sent)
    check(one);
  require(sent.size() == tallies.out_packets.get());
  for (const FakeTun::Frame& answer : tun.take_written()) {
    require(slow::has_right_checksums(answer.bytes));
  }
}

}  // namespace
}  // namespace flannel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flannel::run(flannel::Input{{data, size}});
  return 0;
}
