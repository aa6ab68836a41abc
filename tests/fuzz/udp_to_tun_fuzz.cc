// SPDX-License-Identifier: Apache-2.0
// Whatever strangers send, the host gets only packets that a peer may send, each as it was sent but
// one hop older, and in the order in which it came.
//
// Input: records of flags (1), segment size, length (2 each), datagrams.
#include <cstdlib>
#include <map>

#include "dataplane/rx_path.h"
#include "support/fake_ports.h"
#include "support/slow_packets.h"

namespace flannel {
namespace {

using slow::Bytes;

constexpr IpAddress kPeer = IpAddress::v4(192, 0, 2, 1);

void require(bool holds) {
  if (!holds) std::abort();
}

// The checks of rx_path.cc in other words.
bool may_pass(const Bytes& datagram, IpAddress from) {
  if (datagram.size() < 20 || datagram.size() > 1472 || datagram[0] / 16 != 4) return false;
  const std::size_t header = slow::ip_length(datagram);
  if (header < 20 || header > datagram.size()) return false;
  return slow::get16(datagram, 2) == datagram.size() && slow::sum(datagram, 0, header) == 0xffff &&
         from == kPeer && slow::get32(datagram, 12) >> 8 == 0x0a0501 &&
         slow::get32(datagram, 16) >> 8 == 0x0a0502 && datagram[8] > 1;
}

// The identification of what cannot be fragmented is blanked: it may be renumbered.
Bytes comparable(Bytes packet) {
  if ((packet[6] & 0x7f) == 0x40 && packet[7] == 0) slow::put16(packet, 4, 0);
  slow::put16(packet, 10, 0);
  return packet;
}

using ByFlow = std::map<Bytes, std::vector<Bytes>>;

// Flows do not wait for each other; only the order within one counts.
void add(ByFlow& flows, const Bytes& packet) {
  Bytes key(packet.begin() + 12, packet.begin() + 20);
  key.push_back(packet[9]);
  const std::size_t header = slow::ip_length(packet);
  const bool is_whole = (packet[6] & 0x3f) == 0 && packet[7] == 0;
  if (is_whole && (packet[9] == 6 || packet[9] == 17) && packet.size() >= header + 4) {
    const auto ports = packet.begin() + static_cast<std::ptrdiff_t>(header);
    key.insert(key.end(), ports, ports + 4);
  }
  flows[key].push_back(comparable(packet));
}

// Makes lengths and checksums right, so that more than one packet in 65536 gets further.
void mend(Bytes& packet, bool transport_too) {
  if (packet.size() < 20 || slow::ip_length(packet) < 20 ||
      slow::ip_length(packet) > packet.size()) {
    return;
  }
  const std::size_t least = slow::ip_length(packet) + (packet[9] == 6 ? 20 : 8);
  if (transport_too && packet.size() >= least) return slow::finish(packet);
  slow::put16(packet, 2, static_cast<unsigned>(packet.size()));
  slow::put16(packet, 10, 0);
  slow::put16(packet, 10, 0xffff - slow::sum(packet, 0, slow::ip_length(packet)));
}

class Run {
 public:
  void arrives(unsigned flags, std::size_t segment, Bytes bytes) {
    const IpAddress from = (flags & 1) != 0 ? IpAddress::v4(198, 51, 100, 1) : kPeer;
    if (segment == 0) segment = bytes.size();
    Bytes mended;
    std::size_t at = 0;
    do {
      const std::size_t end = std::min(bytes.size(), at + segment);
      Bytes one(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                bytes.begin() + static_cast<std::ptrdiff_t>(end));
      if ((flags & 2) != 0) mend(one, (flags & 4) != 0);
      if (may_pass(one, from)) {
        Bytes older = one;
        --older[8];
        add(expected_, older);
      }
      mended.insert(mended.end(), one.begin(), one.end());
      at = end;
    } while (at < bytes.size());
    udp_.arrives(from, std::move(mended), segment);
  }

  void check() {
    while (path_.step(table_, TimePoint{std::chrono::hours(1)})) {
    }
    ByFlow received;
    for (const FakeTun::Frame& frame : tun_.take_written()) {
      for (const Bytes& packet : slow::cut(frame.bytes, frame.offload)) {
        require(slow::sum(packet, 0, slow::ip_length(packet)) == 0xffff);
        add(received, packet);
      }
    }
    require(received == expected_);
  }

 private:
  ForwardTable table_{{.subnet = *IpPrefix::parse_v4("10.5.2.0/24"),
                       .tunnel_address = IpAddress::v4(10, 5, 2, 0),
                       .mtu = 1472,
                       .accept_any = false},
                      {{*IpPrefix::parse_v4("10.5.1.0/24"), {kPeer, 8285}}}};
  FakeTun tun_;
  FakeUdp udp_;
  PacketTallies tallies_;
  RxPath path_{udp_, tun_, tallies_};
  ByFlow expected_;
};

void run(ByteView input) {
  Run all;
  while (input.size() >= 5) {
    const unsigned flags = input[0];
    const std::size_t segment = load_be16(input, 1);
    const std::size_t length = std::min<std::size_t>(load_be16(input, 3), input.size() - 5);
    const ByteView bytes = input.subspan(5, length);
    all.arrives(flags, segment, {bytes.begin(), bytes.end()});
    input = input.subspan(5 + length);
  }
  all.check();
}

}  // namespace
}  // namespace flannel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  flannel::run({data, size});
  return 0;
}
