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
  IpEndpoint local;
  int sockets = 1;  // share the port if more than one; the kernel sends each peer to one
  int receive_buffer = 4 << 20;  // bytes
  int send_buffer = 4 << 20;
  // The abilities to request; the kernel may grant fewer. Only tests request fewer than all.
  UdpAbilities wanted = {.cut = true, .join = true};
};

struct UdpSockets {
  UdpAbilities abilities;
  std::vector<Fd> sockets;
};

// Opens bound sockets in the network namespace of the calling thread. A send blocks while the
// buffer is full, and is Sent::no_buffer after 100 ms without room. Missing offloads are logged
// once. ErrorKind::exists: the port is in use; not_found: this host does not have the address.
Result<UdpSockets> open_udp(const UdpSocketOptions& options);

// Resumes sockets that an earlier process of ours left open, without loss of the datagrams in them.
// ErrorKind::conflict: a socket is not bound to `options.local`.
Result<UdpSockets> resume_udp(std::vector<Fd> sockets, const UdpSocketOptions& options);

// Duplicates the descriptors: a socket is open until both of its descriptors are closed.
Result<std::vector<Fd>> duplicate(const std::vector<Fd>& sockets);

// One UDP socket.
class UdpSocketPort final : public UdpPort {
 public:
  UdpSocketPort(Fd socket, UdpAbilities abilities);
  ~UdpSocketPort() override;

  std::span<const Run> receive() override;
  Sent send(IpEndpoint to, ByteView bytes, std::size_t segment_size) override;
  Sent send_each(IpEndpoint to, ByteView bytes, std::size_t segment_size,
                 std::size_t& lost) override;

 private:
  struct Arrivals;  // the buffers for recvmmsg()

  Fd socket_;
  UdpAbilities abilities_;
  std::unique_ptr<Arrivals> arrivals_;
};

}  // namespace flannel
