// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "dataplane/ports.h"

namespace flannel {

struct UdpAbilities {
  bool cut = false;   // UDP_SEGMENT, Linux 4.18
  bool join = false;  // UDP_GRO, Linux 5.0
  bool operator==(const UdpAbilities&) const = default;
};

struct UdpSocketOptions {
  Endpoint4 local;
  int sockets = 1;  // more than one share the port; the kernel keeps a peer on one of them
  int receive_buffer = 4 << 20;  // bytes
  int send_buffer = 4 << 20;
  // What is asked for; the kernel may grant less. Less than all is for tests.
  UdpAbilities wanted = {.cut = true, .join = true};
};

struct UdpSockets {
  UdpAbilities abilities;
  std::vector<Fd> sockets;
};

// Bound sockets, in the network namespace of the calling thread. A send waits while the buffer is
// full; one that finds no room within 100 ms is Sent::no_buffer. Less than full offloads is logged
// once. ErrorKind::exists: the port is taken; not_found: the address is none of this host's.
Result<UdpSockets> open_udp(const UdpSocketOptions& options);

// Goes on with sockets that an earlier process of ours left open: no datagram that waits in them
// is lost. ErrorKind::conflict: one is bound elsewhere than `options.local`.
Result<UdpSockets> resume_udp(std::vector<Fd> sockets, const UdpSocketOptions& options);

// The same sockets once more: they live until both are closed.
Result<std::vector<Fd>> duplicate(const std::vector<Fd>& sockets);

// One UDP socket.
class UdpSocketPort final : public UdpPort {
 public:
  UdpSocketPort(Fd socket, UdpAbilities abilities);
  ~UdpSocketPort() override;

  std::span<const Run> receive() override;
  Sent send(Endpoint4 to, ByteView bytes, std::size_t segment_size) override;
  Sent send_each(Endpoint4 to, ByteView bytes, std::size_t segment_size,
                 std::size_t& lost) override;

 private:
  struct Arrivals;  // where the kernel puts what it received

  Fd socket_;
  UdpAbilities abilities_;
  std::unique_ptr<Arrivals> arrivals_;
};

}  // namespace flannel
