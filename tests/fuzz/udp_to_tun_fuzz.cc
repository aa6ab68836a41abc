// SPDX-License-Identifier: Apache-2.0
// Whatever strangers send, the host gets only packets that a peer may send, each as it was sent but
// one hop older, and in the order in which it came.
//
// Input: records of flags (1), segment size, length (2 each), datagrams.
#include <cstdlib>
#include <map>
#include <stdexcept>

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

constexpr std::uint32_t kOurs = 0x0a050200;
constexpr std::uint32_t kTheirs = 0x0a050100;

bool is_in(const Bytes& datagram, std::size_t which, std::uint32_t subnet) {
  return slow::network(subnet, slow::is_v6(datagram)).contains(slow::address_in(datagram, which));
}

// The checks of rx_path.cc in other words.
bool may_pass(const Bytes& datagram, const IpAddress& from) {
  if (datagram.size() < 20 || from != kPeer) return false;
  const bool may_be_fragmented = !slow::is_v6(datagram) && (datagram[6] & 0x40) == 0;
  if (datagram.size() > 1472 && !may_be_fragmented) return false;
  if (slow::is_v6(datagram)) {
    if (datagram.size() < 40 || slow::get16(datagram, 4) + std::size_t{40} != datagram.size()) {
      return false;
    }
  } else {
    if (datagram[0] / 16 != 4) return false;
    const std::size_t header = slow::ip_length(datagram);
    if (header < 20 || header > datagram.size()) return false;
    if (slow::get16(datagram, 2) != datagram.size()) return false;
    if (slow::sum(datagram, 0, header) != 0xffff) return false;
  }
  return is_in(datagram, 0, kTheirs) && is_in(datagram, 1, kOurs) && slow::hop_limit(datagram) > 1;
}

// The identification of what cannot be fragmented is blanked: it may be renumbered.
Bytes comparable(Bytes packet) {
  if (slow::is_v6(packet)) return packet;
  if ((packet[6] & 0x7f) == 0x40 && packet[7] == 0) slow::put16(packet, 4, 0);
  slow::put16(packet, 10, 0);
  return packet;
}

using ByFlow = std::map<Bytes, std::vector<Bytes>>;

// Protocol and ports; without ports if the packet has none at its place. Nothing, if extension
// headers lead out of the packet or over a fragment header.
Bytes transport_key(const Bytes& packet) {
  try {
    const auto [at, protocol] = slow::transport_of(packet);
    Bytes key{static_cast<std::uint8_t>(protocol)};
    const bool is_whole =
        slow::is_v6(packet) ? at == 40 : (packet[6] & 0x3f) == 0 && packet[7] == 0;
    if (is_whole && (protocol == 6 || protocol == 17) && packet.size() >= at + 4) {
      const auto ports = packet.begin() + static_cast<std::ptrdiff_t>(at);
      key.insert(key.end(), ports, ports + 4);
    }
    return key;
  } catch (const std::out_of_range&) {
    return {};
  }
}

// Flows do not wait for each other; only the order within one counts.
void add(ByFlow& flows, const Bytes& packet) {
  const bool v6 = slow::is_v6(packet);
  Bytes key(packet.begin() + (v6 ? 8 : 12), packet.begin() + (v6 ? 40 : 20));
  const Bytes transport = transport_key(packet);
  key.insert(key.end(), transport.begin(), transport.end());
  flows[key].push_back(comparable(packet));
}

// Makes lengths and checksums right, so that more than one packet in 65536 gets further.
void mend(Bytes& packet, bool transport_too) {
  try {
    const bool fits = slow::is_v6(packet) ? packet.size() >= 40 : slow::ip_length(packet) >= 20;
    if (!fits || slow::ip_length(packet) > packet.size()) return;
    slow::finish_ip(packet);
    if (transport_too) slow::finish(packet);
  } catch (const std::out_of_range&) {
    // The packet is too short for its headers.
  }
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
        --older[slow::is_v6(older) ? 7 : 8];
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
        require(slow::is_v6(packet) || slow::sum(packet, 0, slow::ip_length(packet)) == 0xffff);
        add(received, packet);
      }
    }
    require(received == expected_);
  }

 private:
  static OwnSubnet own(bool v6) {
    return {.subnet = slow::network(kOurs, v6), .tunnel_address = slow::address(kOurs, v6)};
  }
  ForwardTable table_{{.v4 = own(false), .v6 = own(true), .mtu = 1472},
                      {{slow::network(kTheirs, false), {kPeer, 8285}},
                       {slow::network(kTheirs, true), {kPeer, 8285}}}};
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
