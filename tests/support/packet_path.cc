// SPDX-License-Identifier: Apache-2.0
// The udp backend's packet path alone, with static peers and no store: what bench/udp measures and
// the packet tests use.
//
//   packet_path --tun flannel0 --subnet 10.5.1.0/24 --local 192.0.2.1:8285 --mtu 1472
//               --peer 10.5.2.0/24=192.0.2.2:8285 [--peer 'fd00:12:0:2::/64=[2001:db8::2]:8285' ..]
//               [--queues N] [--cpus 0,1] [--offloads no] [--receive-buffer BYTES]
//               [--send-buffer BYTES] [--swaps-per-second N]
//
// --subnet and --local may be given once for each family. The device is left for the caller to set
// up ("ready" is printed when it is there). SIGTERM and SIGINT end it; what it counted is printed
// then.
#include <fmt/format.h>
#include <signal.h>
#include <time.h>

#include <memory>

#include "dataplane/packet_threads.h"
#include "kernel/ports/queue_pair.h"
#include "kernel/ports/udp_port.h"
#include "support/static_peers.h"

namespace {

using namespace flannel;

template <typename T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "packet_path: {}\n", result.error().text);
  std::exit(1);
}

std::vector<QueuePair> open_queue_pairs(const StaticOverlay& overlay, int queues, bool offloads,
                                        UdpSocketOptions sockets) {
  TunDevice device = must(open_tun(
      {.name = overlay.device, .queues = queues, .wanted = {offloads, offloads, offloads}}));
  sockets.queues = queues;
  sockets.wanted = {offloads, offloads};
  UdpSockets opened = must(open_udp(sockets));
  std::vector<QueuePair> queue_pairs;
  for (std::size_t i = 0; i < device.queues.size(); ++i) {
    queue_pairs.push_back(must(open_queue_pair(std::move(device.queues[i]), device.abilities,
                                               std::move(opened.queues[i]), opened.abilities)));
  }
  return queue_pairs;
}

void print(const PacketCounts& counters) {
  fmt::print("out_packets {}\nout_sends {}\nout_uncut {}\nin_packets {}\nin_writes {}\n",
             counters.out_packets, counters.out_sends, counters.out_uncut, counters.in_packets,
             counters.in_writes);
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    if (counters.drops[i] > 0) {
      fmt::print("{} {}\n", to_string(static_cast<Drop>(i)), counters.drops[i]);
    }
  }
}

// Until SIGTERM or SIGINT, with a new table `swaps` times a second.
void serve(PacketThreads& path, const std::shared_ptr<const ForwardTable>& table, long swaps) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  const timespec pause{swaps > 0 ? 0 : 3600, swaps > 0 ? 1'000'000'000 / swaps : 0};
  while (sigtimedwait(&ends, nullptr, &pause) < 0) {
    path.publish(std::make_shared<ForwardTable>(*table));
  }
}

}  // namespace

int main(int argc, char** argv) {
  StaticOverlay overlay = parse_static_overlay(argc, argv);
  auto number = [&](const char* flag, long otherwise) {
    const auto found = overlay.others.find(flag);
    return found == overlay.others.end() ? otherwise : std::atol(found->second.c_str());
  };
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  PacketThreads::Options options;
  for (const auto cpu : split(overlay.others["--cpus"], ',')) {
    if (const auto one = parse_decimal<unsigned>(cpu))
      options.cpus.push_back(static_cast<int>(*one));
  }
  UdpSocketOptions sockets{.local = overlay.local};
  sockets.receive_buffer = static_cast<int>(number("--receive-buffer", sockets.receive_buffer));
  sockets.send_buffer = static_cast<int>(number("--send-buffer", sockets.send_buffer));
  const bool offloads = overlay.others["--offloads"] != "no";

  const auto table = std::make_shared<ForwardTable>(overlay.host, overlay.peers);
  PacketThreads path(
      open_queue_pairs(overlay, static_cast<int>(number("--queues", 1)), offloads, sockets), table,
      options);
  if (const auto started = path.start(); !started) {
    fmt::print(stderr, "packet_path: {}\n", started.error().text);
    return 1;
  }
  fmt::print("ready\n");
  std::fflush(stdout);
  serve(path, table, number("--swaps-per-second", 0));
  path.stop();
  print(path.counts());
}
