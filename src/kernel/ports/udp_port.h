// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
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
  std::vector<IpEndpoint> local;  // at least one, and at most one of each family
  // Each queue has its own sockets, which share the port; the kernel gives each peer's datagrams to
  // one of them.
  int queues = 1;
  int receive_buffer = 4 << 20;  // bytes, of each socket
  int send_buffer = 4 << 20;
  // The abilities to request; the kernel may grant fewer. Only tests request fewer than all.
  UdpAbilities wanted = {.cut = true, .join = true};
};

struct UdpSocket {
  Family family = Family::v4;
  Fd fd;
};

struct UdpSockets {
  UdpAbilities abilities;                      // of all of them
  std::vector<std::vector<UdpSocket>> queues;  // of each queue one socket for each local endpoint
};

// Opens bound sockets in the network namespace of the calling thread. A send blocks while the
// buffer is full, and is Sent::no_buffer after 100 ms without room. An IPv6 socket carries no IPv4.
// The kernel fragments datagrams that exceed the MTU of the path, as far as it knows it. Missing
// offloads are logged once. ErrorKind::exists: the port is in use; not_found: this host does not
// have the address, or duplicate address detection for it is still under way.
Result<UdpSockets> open_udp(const UdpSocketOptions& options);

// Resumes sockets that an earlier process of ours left open, in any order, without loss of the
// datagrams in them. ErrorKind::conflict: they are not bound as the sockets of `options` are.
Result<UdpSockets> resume_udp(std::vector<Fd> sockets, const UdpSocketOptions& options);

// Duplicates the descriptors: a socket is open until both of its descriptors are closed.
Result<std::vector<Fd>> duplicate(const UdpSockets& sockets);

// The UDP sockets of one queue.
class UdpSocketPort final : public UdpPort {
 public:
  // At most one socket for each family. Sending to an address of a family without a socket is
  // Sent::unreachable.
  UdpSocketPort(std::vector<UdpSocket> sockets, UdpAbilities abilities);
  ~UdpSocketPort() override;

  std::span<const Run> receive() override;
  Sent send(const IpEndpoint& to, ByteView bytes, std::size_t segment_size) override;
  Sent send_each(const IpEndpoint& to, ByteView bytes, std::size_t segment_size,
                 std::size_t& lost) override;

 private:
  struct Arrivals;  // the buffers for recvmmsg()

  int socket_for(const IpEndpoint& to) const;

  std::vector<UdpSocket> sockets_;
  std::size_t first_ = 0;  // index of the socket that is read first by the next receive()
  UdpAbilities abilities_;
  std::unique_ptr<Arrivals> arrivals_;
};

}  // namespace flannel
