// SPDX-License-Identifier: Apache-2.0
// Traffic of several flows between two overlay subnets, made from any source of numbers.
#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "support/slow_packets.h"

namespace flannel::slow {

struct Sent {
  Bytes packet;  // as read from the TUN device
  Offload offload;
};

class RandomTraffic {
 public:
  explicit RandomTraffic(std::function<std::uint32_t()> number) : number_(std::move(number)) {
    for (unsigned n = 0; n < flows_.size(); ++n)
      flows_[n] = new_flow(n);
  }

  // Returns the next packet or super-packet of a random flow.
  Sent next() {
    Flow& flow = flows_[number_() % flows_.size()];
    return flow.is_tcp ? next_tcp(flow) : next_udp(flow);
  }

 private:
  struct Flow {
    bool is_tcp = false;
    bool counts_ids = false;
    std::size_t segment = 0;
    Fields fields;
  };

  bool chance(unsigned one_in) { return number_() % one_in == 0; }

  Flow new_flow(unsigned n) {
    Flow flow{
        .is_tcp = number_() % 3 != 0,
        .counts_ids = !chance(4),
        .segment = 1 + number_() % 1424,
        .fields = {.v6 = chance(2), .source = 0x0a050100 + number_() % 4, .source_port = 1000 + n}};
    flow.fields.destination = 0x0a050200 + number_() % 4;
    flow.fields.id = flow.counts_ids ? number_() % 65536 : 0;
    flow.fields.sequence = number_();
    flow.fields.tcp_options = Bytes(number_() % 4 * 4, 1);
    const std::size_t most = (flow.fields.v6 ? 1404 : 1424) - flow.fields.tcp_options.size();
    flow.segment = std::min(flow.segment, most);
    return flow;
  }

  Bytes payload(std::size_t size) {
    Bytes bytes(size);
    std::uint32_t state = number_();
    for (auto& byte : bytes)
      byte = static_cast<std::uint8_t>((state = state * 1664525 + 1) >> 24);
    return bytes;
  }

  std::size_t payload_size(const Flow& flow) {
    switch (number_() % 4) {
      case 0:
        return flow.segment * (1 + number_() % 46);
      case 1:
        return number_() % (flow.segment + 1);
      default:
        return flow.segment;
    }
  }

  Sent next_tcp(Flow& flow) {
    Fields& f = flow.fields;
    if (chance(10)) f.acknowledgement += 100;
    if (chance(20)) f.window += 1;
    if (chance(30)) f.sequence += 7;
    if (chance(30)) f.flow_label ^= 1;
    f.flags = 0x10 | (chance(4) ? 0x08u : 0) | (chance(40) ? 1u << number_() % 8 : 0);
    const auto size = std::min<std::size_t>(payload_size(flow), 65000);
    Bytes packet = tcp_packet(f, payload(size));
    f.sequence += static_cast<std::uint32_t>(size);
    return undone(flow, std::move(packet), size, Offload::Cut::tcp);
  }

  Sent next_udp(Flow& flow) {
    const auto size = std::min<std::size_t>(payload_size(flow), 65000);
    if (!chance(15)) {
      return undone(flow, udp_packet(flow.fields, payload(size)), size, Offload::Cut::udp);
    }
    const Bytes data = payload(std::min<std::size_t>(size, 1380) / 8 * 8);
    Fields fields = flow.fields;  // a first fragment, or behind extension headers
    if (fields.v6) {
      fields.extensions = chance(2) ? std::vector<unsigned>{44} : std::vector<unsigned>{0, 60};
      fields.fragment = 1;
      return {udp_packet(fields, data), {}};
    }
    fields.dont_fragment = false;
    Bytes packet = udp_packet(fields, data);
    packet[6] = 0x20;
    finish_ip(packet);
    advance(flow, 1);
    return {packet, {}};
  }

  Sent undone(Flow& flow, Bytes packet, std::size_t size, Offload::Cut cut) {
    const std::size_t segments = std::max<std::size_t>(1, (size + flow.segment - 1) / flow.segment);
    // A super-packet numbers its packets; a host that numbers none sends none.
    advance(flow, segments);
    Offload offload;
    if (segments > 1) {
      offload = leave_undone(packet, cut, flow.segment);
    } else if (chance(2)) {
      offload = leave_undone(packet, Offload::Cut::none, 0);
    }
    return {std::move(packet), offload};
  }

  void advance(Flow& flow, std::size_t segments) {
    if (flow.counts_ids) {
      flow.fields.id = (flow.fields.id + static_cast<unsigned>(segments)) % 65536;
    }
  }

  std::function<std::uint32_t()> number_;
  std::array<Flow, 12> flows_;
};

// The packets of each flow in order. A flow is identified by addresses, protocol and ports. The
// IPv4 identification of packets that cannot be fragmented is set to zero, since it has no meaning.
using Flows = std::map<std::string, std::vector<Bytes>>;

inline void add_to_flow(Flows& flows, Bytes packet) {
  const bool v6 = is_v6(packet);
  if (!v6 && packet[6] == 0x40) {
    put16(packet, 4, 0);
    finish_ip(packet);
  }
  const auto [at, protocol] = transport_of(packet);
  const auto begin = packet.begin();
  std::string key(begin + (v6 ? 8 : 12), begin + (v6 ? 40 : 20));
  key.append(begin + static_cast<std::ptrdiff_t>(at), begin + static_cast<std::ptrdiff_t>(at) + 4);
  flows[key + static_cast<char>(protocol)].push_back(std::move(packet));
}

}  // namespace flannel::slow
